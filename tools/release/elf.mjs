// Changes 64-bit ELF programs (little-endian) of any architecture: removes symbols and debug information, and adds a note.

/** Entry sizes, segment types and flags of the ELF format. */
const HEADER_SIZE = 56;
const [LOAD, NOTE, PHDR] = [1, 4, 6];
const READABLE = 4;

/** The largest page of Linux on arm64; x86-64 has smaller ones. */
const PAGE = 0x10000;

/**
 * The program without everything that is not loaded into memory: symbols, debug information and the section headers.
 * @param {Buffer} program
 */
export function stripped(program) {
  const ends = segmentsOf(program)
    .filter(({ type }) => type === LOAD)
    .map(({ offset, fileSize }) => offset + fileSize);
  const kept = Buffer.from(program.subarray(0, Math.max(...ends)));
  kept.writeBigUInt64LE(0n, 0x28);
  // Number of section headers, index of their names.
  kept.writeUInt32LE(0, 0x3c);
  return kept;
}

/**
 * The program with a note that is loaded into memory, in a segment of its own at the end. The program headers move there
 * too, because there is no space for more where they are.
 * @param {Buffer} program @param {string} name @param {Buffer} content
 */
export function withNote(program, name, content) {
  const segments = segmentsOf(program);
  const loads = segments.filter(({ type }) => type === LOAD);
  const [first] = loads;
  if (first === undefined) throw new Error('the program has no segment that is loaded');
  const base = first.address - first.offset;
  const addressesEnd = Math.max(...loads.map(({ address, memorySize }) => address + memorySize));
  // Kernels before 5.18 look for the program headers at the base plus their offset in the file.
  const start = aligned(Math.max(program.length, addressesEnd - base), PAGE);
  const headersSize = (segments.length + 2) * HEADER_SIZE;
  const note = noteOf(name, content);
  const at = (type, from, size, alignment) => ({
    type,
    flags: READABLE,
    offset: start + from,
    address: base + start + from,
    fileSize: size,
    memorySize: size,
    alignment,
  });
  const lastLoad = segments.findLastIndex(({ type }) => type === LOAD);
  const headers = segments
    .toSpliced(
      lastLoad + 1,
      0,
      at(LOAD, 0, headersSize + note.length, PAGE),
      at(NOTE, headersSize, note.length, 4),
    )
    .map((segment) => (segment.type === PHDR ? at(PHDR, 0, headersSize, 8) : segment))
    .map(headerOf);
  const result = Buffer.concat([program, Buffer.alloc(start - program.length), ...headers, note]);
  result.writeBigUInt64LE(BigInt(start), 0x20);
  result.writeUInt16LE(headers.length, 0x38);
  return result;
}

/** @param {Buffer} program */
function segmentsOf(program) {
  if (program.readUInt32BE(0) !== 0x7f454c46 || program.readUInt16BE(4) !== 0x0201) {
    throw new Error('not a 64-bit little-endian ELF program');
  }
  const start = Number(program.readBigUInt64LE(0x20));
  return Array.from({ length: program.readUInt16LE(0x38) }, (_, index) => {
    const header = program.subarray(start + index * HEADER_SIZE);
    const number = (at) => Number(header.readBigUInt64LE(at));
    return {
      type: header.readUInt32LE(0),
      flags: header.readUInt32LE(4),
      offset: number(8),
      address: number(16),
      fileSize: number(32),
      memorySize: number(40),
      alignment: number(48),
    };
  });
}

function headerOf({ type, flags, offset, address, fileSize, memorySize, alignment }) {
  const header = Buffer.alloc(HEADER_SIZE);
  header.writeUInt32LE(type, 0);
  header.writeUInt32LE(flags, 4);
  // The fourth is the physical address, which Linux ignores.
  const numbers = [offset, address, address, fileSize, memorySize, alignment];
  for (const [index, number] of numbers.entries()) header.writeBigUInt64LE(BigInt(number), 8 + index * 8);
  return header;
}

function noteOf(name, content) {
  const text = Buffer.from(`${name}\0`);
  const head = Buffer.alloc(12);
  head.writeUInt32LE(text.length, 0);
  head.writeUInt32LE(content.length, 4);
  return Buffer.concat([head, padded(text), padded(content)]);
}

function padded(content) {
  return Buffer.concat([content, Buffer.alloc(aligned(content.length, 4) - content.length)]);
}

function aligned(size, to) {
  return Math.ceil(size / to) * to;
}
