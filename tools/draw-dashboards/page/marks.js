// Annotations: regions and lines across a graph, which Grafana's components do not draw.
const drawn = new WeakSet();

/** @param {object} config of uPlot @param {readonly { from: number, to: number, color: string }[]} marks */
export function drawMarks(config, marks, theme) {
  if (drawn.has(config)) return null;
  drawn.add(config);
  config.addHook('draw', (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.lineWidth = 2;
    ctx.setLineDash([5, 5]);
    for (const { from, to, color } of marks) {
      ctx.strokeStyle = theme.visualization.getColorByName(color);
      ctx.fillStyle = ctx.strokeStyle;
      const [left, right] = [from, to].map((at) => plot.valToPos(at, 'x', true));
      for (const x of from === to ? [left] : [left, right]) line(ctx, x, bbox);
      ctx.globalAlpha = 0.1;
      ctx.fillRect(left, bbox.top, right - left, bbox.height);
      ctx.globalAlpha = 1;
    }
    ctx.restore();
  });
  return null;
}

function line(ctx, x, { top, height }) {
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, top + height);
  ctx.stroke();
}
