import { EventEmitter, getEventListeners } from 'node:events'
import { describe, expect, it } from 'vitest'
import { callSignal } from '../../provider-node/call.ts'
import { httpCaller } from '../../provider-node/caller.ts'

const anAnswer = () => Object.assign(new EventEmitter(), { writableFinished: false, destroy: () => undefined })

describe('the signal of a call', () => {
  it('leaves nothing behind on the node when the call is over, so that calls do not pile up in memory', () => {
    const node = new AbortController()
    const answers = Array.from({ length: 100 }, anAnswer)
    const signals = answers.map((answer) => callSignal(httpCaller(answer), node.signal))
    for (const answer of answers) {
      answer.writableFinished = true
      answer.emit('close')
    }
    expect(getEventListeners(node.signal, 'abort')).toEqual([])
    expect(signals.some(({ aborted }) => aborted)).toBe(false)
  })

  it('aborts when the caller leaves before the end, and when the node stops for good', () => {
    const node = new AbortController()
    const [left, stopped] = [anAnswer(), anAnswer()]
    const signals = [left, stopped].map((answer) => callSignal(httpCaller(answer), node.signal))
    left.emit('close')
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, false])
    node.abort()
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
    expect(callSignal(httpCaller(anAnswer()), node.signal).aborted).toBe(true)
  })
})
