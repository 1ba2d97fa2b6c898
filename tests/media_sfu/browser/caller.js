// One participant, in a page of its own. What it says is a tone (its voice), or the microphone. Driven by caller.py.

const VOICES = [1, 2, 3, 4].map((number) => ({ number, hertz: 400 + 300 * number }))
const LOUD_DB = -55
const LOOK_EVERY_MS = 20
const SLOTS = 3

class Caller {
  constructor(number) {
    this.number = number
    this.context = new AudioContext()
    /** heardAt[slot][number]: when that voice was loud there, by this page's clock. */
    this.heardAt = Array.from({ length: SLOTS }, () => ({}))
    /** The longest time without each voice, between two times with it, since `gaps` was asked last, ms. */
    this.gap = {}
  }

  /** A tone whose loudness comes and goes, as that of speech does. */
  hum() {
    const { context } = this
    const tone = new OscillatorNode(context, { frequency: VOICES.find(({ number }) => number === this.number).hertz })
    const loudness = new GainNode(context, { gain: 0.25 })
    const swell = new OscillatorNode(context, { frequency: 2.5 })
    const depth = new GainNode(context, { gain: 0.2 })
    this.voice = new GainNode(context, { gain: 1 })
    const out = new MediaStreamAudioDestinationNode(context, { channelCount: 1 })
    swell.connect(depth).connect(loudness.gain)
    tone.connect(loudness).connect(this.voice).connect(out)
    tone.start()
    swell.start()
    return out.stream.getAudioTracks()[0]
  }

  async microphone() {
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }
    return (await navigator.mediaDevices.getUserMedia({ audio })).getAudioTracks()[0]
  }

  async offer(voice) {
    const track = voice === 'hum' ? this.hum() : voice === 'microphone' ? await this.microphone() : null
    this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' })
    this.sends = this.pc.addTransceiver(track ?? 'audio', { direction: 'sendonly' })
    this.receives = Array.from({ length: SLOTS }, () => this.pc.addTransceiver('audio', { direction: 'recvonly' }))
    const { codecs } = RTCRtpReceiver.getCapabilities('audio')
    const wanted = ['audio/red', 'audio/opus'].map((name) => codecs.find(({ mimeType }) => mimeType === name))
    for (const transceiver of this.pc.getTransceivers()) transceiver.setCodecPreferences(wanted)
    this.streams = this.receives.map(({ receiver }) => new MediaStream([receiver.track]))
    await this.pc.setLocalDescription()
    this.offeredAt = performance.now()
    return this.pc.localDescription.sdp
  }

  async answer(sdp) {
    const connected = new Promise((resolve) => {
      this.pc.addEventListener('connectionstatechange', () => this.pc.connectionState === 'connected' && resolve())
    })
    await this.pc.setRemoteDescription({ type: 'answer', sdp })
    await connected
    this.streams.forEach((stream, slot) => this.listen(stream, slot))
    return performance.now() - this.offeredAt
  }

  listen(stream, slot) {
    // Chromium decodes a stream for an element that plays it, and for nothing else.
    const element = new Audio()
    element.srcObject = stream
    void element.play()
    const analyser = new AnalyserNode(this.context, { fftSize: 2048, smoothingTimeConstant: 0 })
    new MediaStreamAudioSourceNode(this.context, { mediaStream: stream }).connect(analyser)
    const bins = new Float32Array(analyser.frequencyBinCount)
    const width = this.context.sampleRate / analyser.fftSize
    setInterval(() => {
      analyser.getFloatFrequencyData(bins)
      for (const { number, hertz } of VOICES) {
        if (bins[Math.round(hertz / width)] <= LOUD_DB) continue
        this.gap[number] = Math.max(this.gap[number] ?? 0, this.silentFor(number))
        this.heardAt[slot][number] = performance.now()
      }
    }, LOOK_EVERY_MS)
    ;(this.elements ??= []).push(element)
  }

  /** Whose voice was heard in each slot within the last `ms`. */
  heard(ms) {
    const since = performance.now() - ms
    return this.heardAt.map((at) => Object.keys(at).filter((number) => at[number] > since).map(Number))
  }

  /** How long ago a voice was heard last, anywhere, ms; never: since the page began. */
  silentFor(number) {
    return performance.now() - Math.max(...this.heardAt.map((at) => at[number] ?? 0))
  }

  gaps() {
    const { gap } = this
    this.gap = {}
    return gap
  }

  /** Whom each slot's packets name as their source. */
  named() {
    return this.receives.map(({ receiver }) => receiver.getContributingSources()[0]?.source ?? null)
  }

  mute(muted) {
    this.sends.sender.track.enabled = !muted
  }

  async restart() {
    await this.pc.setLocalDescription(await this.pc.createOffer({ iceRestart: true }))
    return this.pc.localDescription.sdp
  }

  async restarted(sdp) {
    await this.pc.setRemoteDescription({ type: 'answer', sdp })
  }

  async stats() {
    const all = [...(await this.pc.getStats()).values()]
    const transport = all.find(({ type }) => type === 'transport')
    const pair = all.find(({ id }) => id === transport.selectedCandidatePairId)
    const remote = all.find(({ id }) => id === pair?.remoteCandidateId)
    const inbound = all.filter(({ type, kind }) => type === 'inbound-rtp' && kind === 'audio')
    const sum = (name) => inbound.reduce((total, one) => total + (one[name] ?? 0), 0)
    const told = all.find(({ type }) => type === 'remote-inbound-rtp')
    return {
      state: this.pc.connectionState,
      dtls: transport.dtlsState,
      pairs: transport.selectedCandidatePairChanges,
      protocol: remote?.protocol ?? null,
      port: remote?.port ?? null,
      received: sum('packetsReceived'),
      lost: sum('packetsLost'),
      concealedMs: (sum('concealedSamples') - sum('silentConcealedSamples')) / 48,
      toldLost: told?.packetsLost ?? null,
      roundTrip: told?.roundTripTime ?? null,
      sent: all.find(({ type }) => type === 'outbound-rtp')?.packetsSent ?? 0,
    }
  }

  /** Begin to keep what all slots together say, as 16-bit samples. */
  async record(rate) {
    const context = new AudioContext({ sampleRate: rate })
    const keeper = 'registerProcessor("keeper", class extends AudioWorkletProcessor { process([input]) {' +
      ' if (input[0]) this.port.postMessage(input[0].slice()); return true } })'
    await context.audioWorklet.addModule(URL.createObjectURL(new Blob([keeper], { type: 'text/javascript' })))
    const node = new AudioWorkletNode(context, 'keeper', { channelCount: 1, channelCountMode: 'explicit' })
    this.kept = []
    node.port.onmessage = ({ data }) => this.kept.push(...data)
    for (const stream of this.streams) new MediaStreamAudioSourceNode(context, { mediaStream: stream }).connect(node)
    node.connect(context.destination)
  }

  recorded() {
    return this.kept.map((sample) => Math.round(sample * 32767))
  }
}
