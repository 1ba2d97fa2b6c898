/** This machine's microphone, or why there is none. */

/**
 * - `refused`: the person, or the browser for them, said no.
 * - `missing`: the machine has none.
 * - `busy`: another program has it.
 * - `barred`: the browser lets nobody listen on this page (plain http on another machine).
 */
export type NoMicrophone = 'refused' | 'missing' | 'busy' | 'barred'

const NAMES: Readonly<Record<string, NoMicrophone>> = {
  NotAllowedError: 'refused',
  SecurityError: 'barred',
  NotFoundError: 'missing',
  OverconstrainedError: 'missing',
}

/** Ask for it. The track, or why there is none; never throws. */
export async function microphone(): Promise<MediaStreamTrack | NoMicrophone> {
  // Not there on pages that are not secure.
  const devices = (navigator as { readonly mediaDevices?: MediaDevices }).mediaDevices
  if (devices === undefined) return 'barred'
  try {
    const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 }
    const [track] = (await devices.getUserMedia({ audio })).getAudioTracks()
    return track ?? 'missing'
  } catch (error) {
    return error instanceof DOMException ? (NAMES[error.name] ?? 'busy') : 'busy'
  }
}
