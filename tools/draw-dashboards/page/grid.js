// Grafana's grid: 24 columns, rows of 30 pixels, 8 between panels.
const COLUMNS = 24;
const ROW = 30;
const GAP = 8;

export const MARGIN = 16;

/** In pixels, for a page of this width. */
export function placeOf({ x, y, w, h }, pageWidth = document.documentElement.clientWidth) {
  const column = (pageWidth - 2 * MARGIN - (COLUMNS - 1) * GAP) / COLUMNS;
  return {
    left: x * (column + GAP),
    top: y * (ROW + GAP),
    width: w * column + (w - 1) * GAP,
    height: h * ROW + (h - 1) * GAP,
  };
}
