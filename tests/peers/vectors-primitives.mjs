// The encoding underneath: lib0's variable-length integers, strings, byte arrays and any-values.
import * as buffer from 'lib0/buffer'
import * as encoding from 'lib0/encoding'
import { encodeValue } from './values.mjs'

const row = (kind, value, write) => {
  const encoder = encoding.createEncoder()
  write(encoder, value)
  return { kind, value: encodeNumber(value), bytes: buffer.toBase64(encoding.toUint8Array(encoder)) }
}

/** Numbers that JSON cannot say are strings here: NaN, infinities, -0. */
const encodeNumber = (value) =>
  typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0))
    ? { $number: Object.is(value, -0) ? '-0' : String(value) }
    : encodeValue(value)

const UINTS = [0, 1, 127, 128, 129, 255, 256, 16383, 16384, 2 ** 21 - 1, 2 ** 21, 2 ** 28 - 1, 2 ** 28, 2 ** 31 - 1, 2 ** 31,
  2 ** 32 - 1, 2 ** 32, 2 ** 35, 2 ** 42 + 1, 2 ** 49 - 1, Number.MAX_SAFE_INTEGER]
const INTS = [0, 1, -1, 63, 64, -63, -64, 127, 128, -128, 8191, 8192, -8192, 2 ** 31 - 1, -(2 ** 31), Number.MAX_SAFE_INTEGER,
  Number.MIN_SAFE_INTEGER, -0]
const STRINGS = ['', 'a', 'é', '日本語', '\u{1f600}', '\u0000', 'x'.repeat(128)]
const ANYS = [null, undefined, true, false, 0, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 1.5, 0.1, -0, NaN, Infinity, -Infinity, 1n, -(2n ** 63n),
  2n ** 63n - 1n, '', '\u{1f600}', [], [1, [2]], {}, { a: { b: null }, '': 1 }, new Uint8Array([0, 128, 255])]

export const primitiveVectors = () => [
  ...UINTS.map(value => row('varUint', value, encoding.writeVarUint)),
  ...INTS.map(value => row('varInt', value, encoding.writeVarInt)),
  ...STRINGS.map(value => row('varString', value, encoding.writeVarString)),
  row('varUint8Array', new Uint8Array(0), encoding.writeVarUint8Array),
  row('varUint8Array', new Uint8Array([1, 2, 3]), encoding.writeVarUint8Array),
  row('varUint8Array', new Uint8Array(200), encoding.writeVarUint8Array),
  ...ANYS.map(value => row('any', value, encoding.writeAny))
]
