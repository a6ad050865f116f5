import { closeSync, existsSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/** Size of a llama model with random weights. */
export interface ModelShape {
  readonly embedding: number;
  readonly blocks: number;
  readonly feedForward: number;
  /** Longest context the model claims to know, in tokens (the router's `n_ctx_train`). */
  readonly context: number;
}

/** About 320 kB: loads in some 50 ms and generates thousands of tokens a second. */
export const tinyShape: ModelShape = { embedding: 64, blocks: 1, feedForward: 128, context: 8192 };

/** About 104 MB: worth seeing in a memory reading, and some 200 tokens a second on one thread. */
export const midShape: ModelShape = { embedding: 512, blocks: 8, feedForward: 1408, context: 8192 };

/** About 410 MB: loads in half a second. */
export const bigShape: ModelShape = { embedding: 1024, blocks: 8, feedForward: 2816, context: 8192 };

/** How much of a model is left in one that cannot be loaded, in bytes. */
export const brokenBytes = 1000;

/**
 * Writes a valid GGUF version 3 model to `path`. The same shape and seed give the same bytes.
 * The file appears complete or not at all: an interrupted write leaves only `path.partial`.
 */
export function writeModel(path: string, shape: ModelShape, seed = 1): void {
  mkdirSync(dirname(path), { recursive: true });
  const partial = `${path}.${process.pid}.partial`;
  const file = openSync(partial, 'w');
  try {
    const tensors = tensorsOf(shape);
    writeSync(file, header(shape, tensors));
    const noise = noiseOf(seed);
    for (const tensor of tensors) writeWeights(file, tensor, noise);
  } finally {
    closeSync(file);
  }
  renameSync(partial, path);
}

/** The first bytes of a model: enough to be listed, too little to be loaded. */
export function brokenModel(path: string): Buffer {
  return readFileSync(path).subarray(0, brokenBytes);
}

/** `path`, written on first use and kept: the big model takes a second or two to make. */
export function cachedModel(path: string, shape: ModelShape): string {
  if (!existsSync(path)) writeModel(path, shape);
  return path;
}

interface Tensor {
  readonly name: string;
  /** Fastest-running dimension first, as GGUF counts. */
  readonly dimensions: readonly number[];
}

/** Length of one attention head. llama.cpp wants the rotation to span all of it. */
const headLength = 16;

const vocabulary = [
  '<unk>',
  '<s>',
  '</s>',
  ...Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`),
  '▁',
  ...'abcdefghijklmnopqrstuvwxyz',
];

/** The token that is this byte. */
export const byteToken = (byte: number) => 3 + byte;

function tensorsOf({ embedding, blocks, feedForward }: ModelShape): Tensor[] {
  const square = [embedding, embedding];
  const block = (index: number): Tensor[] => [
    { name: `blk.${index}.attn_norm.weight`, dimensions: [embedding] },
    { name: `blk.${index}.attn_q.weight`, dimensions: square },
    { name: `blk.${index}.attn_k.weight`, dimensions: square },
    { name: `blk.${index}.attn_v.weight`, dimensions: square },
    { name: `blk.${index}.attn_output.weight`, dimensions: square },
    { name: `blk.${index}.ffn_norm.weight`, dimensions: [embedding] },
    { name: `blk.${index}.ffn_gate.weight`, dimensions: [embedding, feedForward] },
    { name: `blk.${index}.ffn_up.weight`, dimensions: [embedding, feedForward] },
    { name: `blk.${index}.ffn_down.weight`, dimensions: [feedForward, embedding] },
  ];
  return [
    { name: 'token_embd.weight', dimensions: [embedding, vocabulary.length] },
    ...Array.from({ length: blocks }, (_, index) => block(index)).flat(),
    { name: 'output_norm.weight', dimensions: [embedding] },
    { name: 'output.weight', dimensions: [embedding, vocabulary.length] },
  ];
}

function header(shape: ModelShape, tensors: readonly Tensor[]): Buffer {
  const metadata = [
    entry('general.architecture', text('llama')),
    entry('general.name', text('random weights')),
    entry('llama.context_length', u32(shape.context)),
    entry('llama.embedding_length', u32(shape.embedding)),
    entry('llama.block_count', u32(shape.blocks)),
    entry('llama.feed_forward_length', u32(shape.feedForward)),
    entry('llama.attention.head_count', u32(shape.embedding / headLength)),
    entry('llama.attention.layer_norm_rms_epsilon', f32(1e-5)),
    entry('llama.rope.dimension_count', u32(headLength)),
    entry('tokenizer.ggml.model', text('llama')),
    entry('tokenizer.ggml.tokens', list(vocabulary.map(text))),
    entry('tokenizer.ggml.scores', list(vocabulary.map((_, index) => f32(-index)))),
    entry('tokenizer.ggml.token_type', list(vocabulary.map((token) => i32(kindOf(token))))),
    entry('tokenizer.ggml.unknown_token_id', u32(0)),
    entry('tokenizer.ggml.bos_token_id', u32(1)),
    entry('tokenizer.ggml.eos_token_id', u32(2)),
  ];
  let offset = 0;
  const directory = tensors.map((tensor) => {
    const described = Buffer.concat([
      string(tensor.name),
      uint32(tensor.dimensions.length),
      ...tensor.dimensions.map(uint64),
      uint32(0), // F32
      uint64(offset),
    ]);
    offset += aligned(bytesOf(tensor));
    return described;
  });
  const front = Buffer.concat([
    Buffer.from('GGUF'),
    uint32(3),
    uint64(tensors.length),
    uint64(metadata.length),
    ...metadata,
    ...directory,
  ]);
  return Buffer.concat([front, Buffer.alloc(aligned(front.length) - front.length)]);
}

/** llama.cpp's token types: 1 normal, 2 unknown, 3 control, 6 byte. */
function kindOf(token: string): number {
  if (token === '<unk>') return 2;
  if (token === '<s>' || token === '</s>') return 3;
  return token.startsWith('<0x') ? 6 : 1;
}

interface Value {
  readonly type: number;
  readonly bytes: Buffer;
}

const u32 = (value: number): Value => ({ type: 4, bytes: uint32(value) });
const i32 = (value: number): Value => ({ type: 5, bytes: uint32(value) });
const f32 = (value: number): Value => ({ type: 6, bytes: Buffer.from(new Float32Array([value]).buffer) });
const text = (value: string): Value => ({ type: 8, bytes: string(value) });

function list(values: readonly Value[]): Value {
  const front = [uint32(values[0]?.type ?? 0), uint64(values.length)];
  return { type: 9, bytes: Buffer.concat([...front, ...values.map((value) => value.bytes)]) };
}

function entry(key: string, value: Value): Buffer {
  return Buffer.concat([string(key), uint32(value.type), value.bytes]);
}

function string(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([uint64(bytes.length), bytes]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

/** Tensors start at multiples of 32 bytes, GGUF's default alignment. */
function aligned(bytes: number): number {
  return Math.ceil(bytes / 32) * 32;
}

function bytesOf(tensor: Tensor): number {
  return 4 * tensor.dimensions.reduce((product, dimension) => product * dimension, 1);
}

function writeWeights(file: number, tensor: Tensor, noise: () => number): void {
  const isNorm = tensor.dimensions.length === 1;
  const count = bytesOf(tensor) / 4;
  // The same noise again and again: a large model is written in a second, and its output does not matter.
  const chunk = new Float32Array(Math.min(count, 1 << 16));
  for (let index = 0; index < chunk.length; index++) chunk[index] = isNorm ? 1 : noise();
  for (let written = 0; written < count; written += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, count - written));
    writeSync(file, Buffer.from(part.buffer, part.byteOffset, part.byteLength));
  }
  writeSync(file, Buffer.alloc(aligned(bytesOf(tensor)) - bytesOf(tensor)));
}

/** mulberry32, spread evenly over ±0.05: small enough for the activations to stay finite. */
function noiseOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296 - 0.5) / 10;
  };
}
