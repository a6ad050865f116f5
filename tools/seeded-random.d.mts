export function createSeededRandom(seed: number): () => number;
