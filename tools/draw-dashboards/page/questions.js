// Queries Prometheus like Grafana: steps by panel width, variables set to all.
import { FieldType, rangeUtil } from '@grafana/data';

/** Points that Grafana requests for an annotation. */
const ANNOTATION_POINTS = 100;

/**
 * Returns the results of all queries of a panel as data frames.
 * @param {object} panel of the dashboard's JSON
 * @param {object} look `ask(path)` resolves with the `data` of Prometheus' answer; from, to and now are milliseconds,
 *   `leastStep` instead of the panels' own where there is less to see than such a step
 * @param {number} width of the panel, in pixels
 */
export async function framesOf(panel, look, width) {
  const answers = await Promise.all(
    panel.targets.map(async (target) => ({
      target,
      ...(await answerTo(target, look.leastStep ?? panel.interval, look, width)),
    })),
  );
  const tables = answers.filter(({ target, series }) => target.format === 'table' && series.length > 0);
  return answers.flatMap(({ target, series, step }) => {
    if (series.length === 0) return [];
    if (target.format === 'table') {
      return [tableOf(series, target.refId, tables.length > 1 ? `Value #${target.refId}` : 'Value')];
    }
    return series.map((one) => seriesFrame(one, target, step));
  });
}

/** The regions of annotations: neighbouring points form one region. */
export async function marksOf(annotation, look) {
  const least = annotation.step ?? `${look.scrapeSeconds}s`;
  const { series, step } = await answerTo({ ...annotation, range: true }, least, look, ANNOTATION_POINTS);
  return series.flatMap(({ points }) =>
    points
      .filter(([, value]) => value !== 0)
      .reduce((stretches, [at]) => {
        const last = stretches.at(-1);
        if (last && at - last.to <= step) last.to = at;
        else stretches.push({ from: at, to: at });
        return stretches;
      }, [])
      .map((stretch) => ({ ...stretch, color: annotation.iconColor })),
  );
}

async function answerTo(target, least, look, width) {
  const { from, to, now, scrapeSeconds } = look;
  const { intervalMs } = rangeUtil.calculateInterval(
    { from, to, raw: { from, to } },
    Math.max(1, Math.round(width)),
    least ?? `${scrapeSeconds}s`,
  );
  const step = Math.max(intervalMs, scrapeSeconds * 1000);
  const query = filledIn(target.expr, step, look);
  const [start, end] = [from, to].map((at) => (Math.floor(at / step) * step) / 1000);
  const path = target.instant
    ? `/api/v1/query?${new URLSearchParams({ query, time: `${now / 1000}` })}`
    : `/api/v1/query_range?${new URLSearchParams({ query, start, end, step: step / 1000 })}`;
  const { result } = await look.ask(path);
  const series = result.map(({ metric, value, values = [value] }) => ({
    metric,
    points: values.map(([at, text]) => [at * 1000, numberOf(text)]),
  }));
  return { series, step };
}

function filledIn(expr, step, { from, to, scrapeSeconds }) {
  const seconds = (ms) => `${Math.ceil(ms / 1000)}s`;
  const scrape = scrapeSeconds * 1000;
  return expr
    .replaceAll('$__rate_interval', seconds(Math.max(step + scrape, 4 * scrape)))
    .replaceAll('$__interval', seconds(step))
    .replaceAll('$__range', seconds(to - from))
    .replace(/"\$(instance|router|model)"/g, '".+"');
}

/** Prometheus writes infinities as `+Inf` and `-Inf`. */
const numberOf = (text) => Number(text.replace('Inf', 'Infinity'));

function seriesFrame({ metric, points }, { refId, legendFormat }, step) {
  const name = legendFormat.replace(/\{\{\s*(.+?)\s*\}\}/g, (_, label) => metric[label] ?? '');
  const times = points.map(([at]) => at);
  const values = points.map(([, value]) => value);
  return {
    ...{ refId, name, length: points.length, meta: { type: 'timeseries-multi' } },
    fields: [
      { name: 'Time', type: FieldType.time, values: times, config: { interval: step } },
      { name: 'Value', type: FieldType.number, values, labels: metric, config: { displayNameFromDS: name } },
    ],
  };
}

function tableOf(series, refId, valueName) {
  const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].toSorted();
  const column = (name, type, values) => ({ name, type, values, config: {} });
  return {
    ...{ refId, length: series.length },
    fields: [
      column(
        'Time',
        FieldType.time,
        series.map(({ points }) => points[0][0]),
      ),
      ...labels.map((label) =>
        column(
          label,
          FieldType.string,
          series.map(({ metric }) => metric[label] ?? ''),
        ),
      ),
      column(
        valueName,
        FieldType.number,
        series.map(({ points }) => points[0][1]),
      ),
    ],
  };
}
