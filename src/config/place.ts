/** A place in a configuration: `['routers', 1, 'url']`; `'[]'` stands for every element of a list. */
export type Place = readonly (string | number)[];

/** A place for people: `routers[1].url`, `routers[].url`. */
export function formatPlace(place: Place): string {
  return place.reduce<string>((text, step) => {
    if (typeof step === 'number') return `${text}[${step}]`;
    if (step === '[]' || text === '') return `${text}${step}`;
    return `${text}.${step}`;
  }, '');
}
