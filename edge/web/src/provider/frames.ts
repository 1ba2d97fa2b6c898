/**
 * The binary frames: Yjs' sync and awareness protocols in lib0 encoding, one message per frame.
 * Bytes in, messages out; nothing here touches a document or a socket.
 */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'

const CHANNEL_SYNC = 0
const CHANNEL_AWARENESS = 1
const CHANNEL_QUERY_AWARENESS = 3

const SYNC_STEP_1 = 0
const SYNC_STEP_2 = 1
const SYNC_UPDATE = 2

/** A message as it travels in one binary frame. */
export type Frame =
  /** "This is what I have; send me the rest." */
  | { readonly kind: 'step1'; readonly stateVector: Uint8Array }
  /** The answer to a step 1: all the asker lacks. */
  | { readonly kind: 'step2'; readonly update: Uint8Array }
  /** An edit as it happens. */
  | { readonly kind: 'update'; readonly update: Uint8Array }
  /** Presence states of one or more client ids. */
  | { readonly kind: 'awareness'; readonly states: Uint8Array }
  /** "Send me the presence states you know." */
  | { readonly kind: 'query-awareness' }

/** The frame is no message of the protocol. */
export class MalformedFrame extends Error {
  override name = 'MalformedFrame'
}

/** Bytes of one frame. */
export function encodeFrame(frame: Frame): Uint8Array<ArrayBuffer> {
  return encoding.encode((encoder) => {
    switch (frame.kind) {
      case 'step1':
        encoding.writeVarUint(encoder, CHANNEL_SYNC)
        encoding.writeVarUint(encoder, SYNC_STEP_1)
        encoding.writeVarUint8Array(encoder, frame.stateVector)
        break
      case 'step2':
      case 'update':
        encoding.writeVarUint(encoder, CHANNEL_SYNC)
        encoding.writeVarUint(encoder, frame.kind === 'step2' ? SYNC_STEP_2 : SYNC_UPDATE)
        encoding.writeVarUint8Array(encoder, frame.update)
        break
      case 'awareness':
        encoding.writeVarUint(encoder, CHANNEL_AWARENESS)
        encoding.writeVarUint8Array(encoder, frame.states)
        break
      case 'query-awareness':
        encoding.writeVarUint(encoder, CHANNEL_QUERY_AWARENESS)
    }
  })
}

/**
 * The message in a frame.
 * @throws MalformedFrame if the bytes are cut short, run on after the message or name no known type.
 */
export function decodeFrame(bytes: Uint8Array): Frame {
  const decoder = decoding.createDecoder(bytes)
  let frame: Frame
  try {
    frame = readFrame(decoder)
  } catch (error) {
    if (error instanceof MalformedFrame) throw error
    // lib0 throws plain errors, and RangeError for a length past the end.
    throw new MalformedFrame('the frame ends inside a message', { cause: error })
  }
  if (decoding.hasContent(decoder)) throw new MalformedFrame('bytes follow the message')
  return frame
}

function readFrame(decoder: decoding.Decoder): Frame {
  const channel = decoding.readVarUint(decoder)
  switch (channel) {
    case CHANNEL_SYNC:
      return readSync(decoder)
    case CHANNEL_AWARENESS:
      return { kind: 'awareness', states: decoding.readVarUint8Array(decoder) }
    case CHANNEL_QUERY_AWARENESS:
      return { kind: 'query-awareness' }
    default:
      throw new MalformedFrame(`unknown channel ${channel}`)
  }
}

function readSync(decoder: decoding.Decoder): Frame {
  const type = decoding.readVarUint(decoder)
  switch (type) {
    case SYNC_STEP_1:
      return { kind: 'step1', stateVector: decoding.readVarUint8Array(decoder) }
    case SYNC_STEP_2:
      return { kind: 'step2', update: decoding.readVarUint8Array(decoder) }
    case SYNC_UPDATE:
      return { kind: 'update', update: decoding.readVarUint8Array(decoder) }
    default:
      throw new MalformedFrame(`unknown sync message ${type}`)
  }
}
