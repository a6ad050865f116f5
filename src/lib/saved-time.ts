import { z } from 'zod';

/**
 * A moment in a file that we wrote earlier, in milliseconds since the epoch. No later than what a Date can hold: a
 * damaged number must not be found out by whoever prints it.
 */
export const savedTime = z.number().min(0).max(8.64e15);
