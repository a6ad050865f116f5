/** Consecutive items in groups of at least this weight; the last one may weigh less. */
export function weighedGroups<Item>(
  items: readonly Item[],
  weightOf: (item: Item) => number,
  least: number,
): Item[][] {
  const groups: Item[][] = [];
  let weight = least;
  for (const item of items) {
    if (weight >= least) {
      groups.push([]);
      weight = 0;
    }
    groups.at(-1)?.push(item);
    weight += weightOf(item);
  }
  return groups;
}
