import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AckLedger, LedgerMismatch } from '../src/provider/ack-ledger.ts'

describe('ack ledger', () => {
  test('a new connection has saved nothing, however little was sent', () => {
    assert.equal(new AckLedger().saved, false)
  })

  test('the answer to the server counts, and is unsaved until acknowledged', () => {
    const ledger = new AckLedger()
    ledger.sentDifference()
    assert.equal(ledger.saved, false)
    ledger.acknowledge(1)
    assert.equal(ledger.saved, true)
  })

  test('saved again only when the last of several edits is acknowledged', () => {
    const ledger = new AckLedger()
    ledger.sentDifference()
    ledger.sentUpdate()
    ledger.sentUpdate()
    ledger.acknowledge(2)
    assert.equal(ledger.saved, false)
    ledger.acknowledge(3)
    assert.equal(ledger.saved, true)
  })

  test('an older acknowledgement takes nothing back', () => {
    const ledger = new AckLedger()
    ledger.sentDifference()
    ledger.sentUpdate()
    ledger.acknowledge(2)
    ledger.acknowledge(1)
    assert.equal(ledger.saved, true)
  })

  test('what is withheld is unsaved until a difference has carried it', () => {
    const ledger = new AckLedger()
    ledger.sentDifference()
    ledger.acknowledge(1)
    ledger.suspend()
    ledger.withhold()
    assert.equal(ledger.saved, false)
    assert.equal(ledger.offered, false)
    ledger.sentDifference()
    assert.equal(ledger.saved, false)
    ledger.acknowledge(2)
    assert.equal(ledger.saved, true)
  })

  test('an edit in flight when edits stop being taken is not saved by its own number', () => {
    const ledger = new AckLedger()
    ledger.sentDifference()
    ledger.sentUpdate()
    ledger.suspend()
    ledger.acknowledge(2)
    assert.equal(ledger.saved, false)
  })

  test('a new document has nothing to offer', () => {
    assert.equal(new AckLedger(true).saved, true)
  })

  test('more acknowledged than sent is refused', () => {
    assert.throws(() => new AckLedger(true).acknowledge(1), LedgerMismatch)
  })
})
