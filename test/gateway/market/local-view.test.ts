import { beforeEach, describe, expect, it } from 'vitest'
import { createLocalView, LOCAL_VIEW, type LocalView } from '../../../gateway/market/local-view.ts'
import { instant, type ModelId, type NodeId } from '../../../protocol/units.ts'
import { aReport, CHAT_MODEL } from './builders.ts'

const NODE = aReport().nodeId
const CALL = aReport().callId
let time = 0
let view: LocalView
beforeEach(() => {
  time = 1_000_000
  view = createLocalView(() => instant(time))
})
const seen = (nodeId: NodeId = NODE, modelId: ModelId = CHAT_MODEL) => view.of(modelId).get(nodeId) ?? null
const FAILED = { outcome: 'provider_failed', fault: 'node' } as const
const BUSY = { outcome: 'provider_busy', fault: 'none' } as const

describe('what an isolate has seen of nodes', () => {
  it('is nothing of nodes that did well', () => {
    view.started(NODE, CHAT_MODEL, CALL, 0)
    view.ended(aReport())
    expect(view.of(CHAT_MODEL).size).toBe(0)
  })

  it('is of one model alone', () => {
    view.ended(aReport(FAILED))
    expect(seen(NODE, 'maker/other' as ModelId)).toBeNull()
    expect(seen()).toEqual({ inFlight: 0, brokenUntil: time + 5_000, busyUntil: null })
  })

  it('doubts for five seconds, for ten the next times, and for five again when ten have passed without a fault', () => {
    const doubtMs = (attempt: number) => {
      view.ended(aReport({ ...FAILED, attempt }))
      return (seen()?.brokenUntil ?? 0) - time
    }
    expect(doubtMs(0)).toBe(5_000)
    time += 14_999
    expect(seen()).toBeNull()
    expect([doubtMs(1), doubtMs(2)]).toEqual([10_000, 10_000])
    time += 20_000
    expect(seen()).toBeNull()
    expect(doubtMs(3)).toBe(5_000)
    view.ended(aReport({ attempt: 4 }))
    expect(doubtMs(5)).toBe(5_000)
  })

  it('ends a doubt with an answer', () => {
    view.ended(aReport(FAILED))
    view.ended(aReport({ attempt: 1 }))
    expect(seen()).toBeNull()
  })

  it.each([
    [1_500, 1_500],
    [300_000, 300_000],
    [300_001, 300_000],
    [1e12, 300_000],
    [0, null],
    [-5, null],
  ])('leaves a node alone that asked for %d ms: for %s', (retryAfterMs, pausedMs) => {
    view.ended(aReport({ ...BUSY, retryAfterMs }))
    expect(seen()?.busyUntil ?? null).toBe(pausedMs === null ? null : time + pausedMs)
    time += pausedMs ?? 0
    expect(seen()).toBeNull()
  })

  it('does not take a busy node for a broken one, nor shorten its pause by an answer', () => {
    view.ended(aReport({ ...BUSY, retryAfterMs: 60_000 }))
    view.ended(aReport({ attempt: 1 }))
    expect(seen()).toEqual({ inFlight: 0, brokenUntil: null, busyUntil: time + 60_000 })
  })

  it('forgets attempts that nobody ended', () => {
    view.started(NODE, CHAT_MODEL, CALL, 0)
    time += 330_000
    expect(seen()?.inFlight).toBe(1)
    view.started(NODE, CHAT_MODEL, CALL, 1)
    time += 1
    expect(seen()?.inFlight).toBe(1)
  })

  it('is bounded: the oldest node and the oldest model are forgotten', () => {
    for (let i = 0; i <= LOCAL_VIEW.nodesMax; i++) view.ended(aReport({ ...FAILED, nodeId: `node_${i}` as NodeId }))
    expect(view.of(CHAT_MODEL).size).toBe(LOCAL_VIEW.nodesMax)
    expect(seen('node_0' as NodeId)).toBeNull()
    for (let i = 0; i < LOCAL_VIEW.modelsMax; i++) view.ended(aReport({ ...FAILED, modelId: `maker/${i}` as ModelId }))
    expect(view.of(CHAT_MODEL).size).toBe(0)
    expect(seen(NODE, 'maker/0' as ModelId)).not.toBeNull()
  })
})
