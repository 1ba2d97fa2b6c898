// One person with a browser, in a page of their own. Driven by talker.py.

globalThis.Talker = class {
  static SLOTS = 3
  static LOOK_EVERY_MS = 2

  /** @param codecs - `audio/red` and `audio/opus` as they are preferred */
  async prepare(codecs) {
    const audio = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }
    const [track] = (await navigator.mediaDevices.getUserMedia({ audio })).getAudioTracks()
    this.pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' })
    const sends = this.pc.addTransceiver(track, { direction: 'sendonly' })
    this.receives = Array.from({ length: Talker.SLOTS }, () => this.pc.addTransceiver('audio', { direction: 'recvonly' }))
    const known = RTCRtpReceiver.getCapabilities('audio').codecs
    const wanted = codecs.map((name) => known.find(({ mimeType }) => mimeType === name))
    for (const transceiver of [sends, ...this.receives]) transceiver.setCodecPreferences(wanted)
    // Chromium decodes a stream for an element that plays it, and for nothing else.
    this.players = this.receives.map(({ receiver }) => {
      const player = new Audio()
      player.srcObject = new MediaStream([receiver.track])
      void player.play()
      return player
    })
  }

  async offer() {
    const offer = await this.pc.createOffer()
    this.offeredAt = performance.now()
    await this.pc.setLocalDescription(offer)
    return offer.sdp
  }

  async answer(sdp) {
    await this.pc.setRemoteDescription({ type: 'answer', sdp })
  }

  /** Offer, post it, take the answer, hear somebody. All times in ms since the offer was there. */
  async join(url, headers, patience) {
    const since = () => performance.now() - this.offeredAt
    const sdp = await this.offer()
    const answered = await fetch(url, {
      method: 'POST', body: sdp, headers: { ...headers, 'Content-Type': 'application/sdp' },
    })
    if (answered.status !== 201) throw new Error(`offer answered ${answered.status}: ${await answered.text()}`)
    this.location = answered.headers.get('Location')
    const answer = await answered.text()
    const times = { answered: since() }
    const connected = this.connected().then(() => { times.connected = since() })
    await this.answer(answer)
    await this.heard(patience)
    times.heard = since()
    await connected
    return times
  }

  async leave(headers) {
    this.pc.close()
    await fetch(this.location, { method: 'DELETE', headers })
  }

  async connected() {
    while (this.pc.connectionState !== 'connected') {
      await new Promise((resolve) => this.pc.addEventListener('connectionstatechange', resolve, { once: true }))
    }
  }

  /** Somebody's sound has come, was decoded, and is being played. Statistics would tell it up to 50 ms late. */
  async heard(patience) {
    const until = performance.now() + patience
    while (!this.receives.some(({ receiver }) => receiver.getSynchronizationSources().length > 0)) {
      if (performance.now() > until) throw new Error(`nobody was heard within ${patience} ms`)
      await new Promise((resolve) => setTimeout(resolve, Talker.LOOK_EVERY_MS))
    }
  }

  /** Of the slots that anything came in, added up, and of what is sent. */
  async totals() {
    const all = [...(await this.pc.getStats()).values()]
    const heard = all.filter(({ type, packetsReceived }) => type === 'inbound-rtp' && packetsReceived > 0)
    const sum = (name) => heard.reduce((total, one) => total + (one[name] ?? 0), 0)
    const sent = all.find(({ type }) => type === 'outbound-rtp')
    const told = all.find(({ type }) => type === 'remote-inbound-rtp')
    return {
      dtls: all.find(({ type }) => type === 'transport')?.dtlsState ?? '',
      slots: heard.length,
      packets: sum('packetsReceived'),
      lost: sum('packetsLost'),
      discarded: sum('packetsDiscarded'),
      redundant: sum('fecPacketsReceived'),
      samples: sum('totalSamplesReceived'),
      concealed: sum('concealedSamples'),
      silentConcealed: sum('silentConcealedSamples'),
      events: sum('concealmentEvents'),
      stretched: sum('insertedSamplesForDeceleration'),
      shortened: sum('removedSamplesForAcceleration'),
      delay: sum('jitterBufferDelay') / Math.max(1, sum('jitterBufferEmittedCount')),
      nacks: sum('nackCount'),
      sent: sent?.packetsSent ?? 0,
      sentAgain: sent?.retransmittedPacketsSent ?? 0,
      nacked: sent?.nackCount ?? 0,
      lostUp: told?.packetsLost ?? 0,
      roundTrip: told?.roundTripTime ?? 0,
    }
  }
}
