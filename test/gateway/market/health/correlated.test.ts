import { describe, expect, it } from 'vitest'
import { endingOf, isCorrelated, withEnding, type Ending } from '../../../../gateway/market/health/correlated.ts'
import { LINK_ENDPOINT } from '../../../../protocol/link.ts'
import { instant, type AccountId, type NodeId } from '../../../../protocol/units.ts'

const ending = (node: string, hasFailed: boolean, over: Partial<Ending> = {}): Ending => ({
  at: instant(0),
  nodeId: node as NodeId,
  operator: `of ${node}` as AccountId,
  host: `${node}.example`,
  hasFailed,
  ...over,
})
const failed = (node: string, over: Partial<Ending> = {}) => ending(node, true, over)
const served = (node: string) => ending(node, false)
const among = (...endings: readonly Ending[]) => isCorrelated(endings.reduce<readonly Ending[]>(withEnding, []))

describe('failures of many nodes at once', () => {
  it.each<[string, Ending[], boolean]>([
    ['one', [failed('a')], false],
    ['two of two', [failed('a'), failed('b')], false],
    ['three of three', [failed('a'), failed('b'), failed('c')], true],
    ['one node, often', [failed('a'), failed('a'), failed('a'), failed('a')], false],
    ['four of five', [failed('a'), failed('b'), failed('c'), failed('d'), served('e')], true],
    ['three of four', [failed('a'), failed('b'), failed('c'), served('e')], false],
    [
      'one answered often',
      [failed('a'), failed('b'), failed('c'), failed('d'), ...Array.from({ length: 20 }, () => served('e'))],
      true,
    ],
    ['one failed and was back', [failed('a'), failed('b'), failed('c'), served('c')], false],
    ['three of one operator', ['a', 'b', 'c'].map((node) => failed(node, { operator: 'one' as AccountId })), false],
    ['three on one host', ['a', 'b', 'c'].map((node) => failed(node, { host: 'rack.example' })), false],
  ])('%s: %s', (_, endings, expected) => expect(among(...endings)).toBe(expected))

  it('lie at most five seconds apart', () => {
    const last = (at: number) => failed('c', { at: instant(at) })
    expect(among(failed('a'), failed('b'), last(4_999))).toBe(true)
    expect(among(failed('a'), failed('b'), last(5_000))).toBe(false)
  })

  it('are remembered up to two hundred endings', () => {
    const many = Array.from({ length: 500 }, (_, i) => failed(`node ${i}`))
    expect(many.reduce<readonly Ending[]>(withEnding, [])).toHaveLength(200)
  })

  it('count nodes with links by themselves, since they have no host', () => {
    const offer = { nodeId: 'node_1' as NodeId, operatorAccountId: 'op' as AccountId, endpoint: LINK_ENDPOINT }
    expect(endingOf(offer, true, instant(0)).host).toBe('node_1')
    const direct = endingOf({ ...offer, endpoint: 'https://rack.example:8443/n' }, true, instant(0))
    expect(direct.host).toBe('rack.example:8443')
  })
})
