import { createHash } from 'node:crypto';
import type { Config } from '../../config/schema.ts';

/** The shard of a router, as `hashmod` of Prometheus' relabelling computes it: the end of the MD5 sum, modulo. */
export function shardOf(name: string, totalShards: number): number {
  const sum = createHash('md5').update(name).digest();
  return Number(sum.readBigUInt64BE(8) % BigInt(totalShards));
}

/** Whether this exporter follows a router of this name: one of the exporters with the same number of shards does. */
export function isInShard(name: string, { shard, total_shards }: Config['follow']): boolean {
  return total_shards === 1 || shardOf(name, total_shards) === shard;
}
