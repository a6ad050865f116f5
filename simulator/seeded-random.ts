/** Numbers below 1 that look random and are the same for the same seed: Lehmer's generator, modulus 2³¹ − 1. */
export function createSeededRandom(seed: number): () => number {
  const modulus = 2_147_483_647;
  let state = (Math.abs(Math.trunc(seed)) % (modulus - 1)) + 1;
  const step = () => {
    state = (state * 48_271) % modulus;
    return (state - 1) / (modulus - 1);
  };
  // Small seeds begin with small numbers.
  step();
  step();
  return step;
}
