// Checks whether a panel shows something.

/** The faults of a drawn panel. */
export function faultsOfDrawing({ id, type, title, fieldConfig }) {
  const panel = document.getElementById(`panel-${id}`);
  const faults = [];
  const heading = panel.querySelector('h2');
  if (heading?.textContent !== title) faults.push('its title is not there');
  if (heading && heading.scrollWidth > heading.clientWidth) faults.push('its title is cut off');
  if (/No data/.test(panel.innerText)) faults.push('it says that there is no data');
  const saysEmpty = panel.innerText.includes(fieldConfig.defaults.noValue ?? 'No data');
  if (!saysEmpty && !isDrawn(panel, type)) faults.push('nothing is drawn');
  return faults;
}

function isDrawn(panel, type) {
  switch (type) {
    case 'timeseries':
      return isColored(panel.querySelector('canvas'));
    case 'table':
      return [...panel.querySelectorAll('[role="gridcell"]')].some(isSeen);
    case 'stat':
    case 'bargauge':
      return [...panel.querySelectorAll('span')].some(isSeen);
    default:
      return [...panel.querySelectorAll('[data-drawn]')].some(
        (part) => part.getBoundingClientRect().width >= 1,
      );
  }
}

function isSeen(element) {
  const { width, height } = element.getBoundingClientRect();
  return width > 1 && height > 1 && element.innerText.trim() !== '';
}

/** Axes and grids are grey, so any colour comes from data. */
function isColored(canvas) {
  if (!canvas || canvas.width === 0 || canvas.height === 0) return false;
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < data.length; at += 4) {
    const [red, green, blue, alpha] = data.subarray(at, at + 4);
    if (alpha > 40 && Math.max(red, green, blue) - Math.min(red, green, blue) > 40) return true;
  }
  return false;
}
