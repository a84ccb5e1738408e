// A call on a node in probation: part of what its operator earns waits, and the caller pays the same.
import { expect, it } from 'vitest'
import { parseLine } from '../../../../protocol/journal.ts'
import { sumRole } from '../../../../gateway/ledger/calls/split.ts'
import { PROBATION } from '../../../../gateway/market/admission/vesting.ts'
import { aHouse, chat, honest } from '../call-house.ts'

it.each([
  ['probation', true],
  ['active', false],
] as const)('on a node in %s, half of the share vests: %s', async (nodeState, isVesting) => {
  const house = await aHouse({ nodes: [honest], offers: [{ nodeState }] })
  const { response, settled } = await house.call('/v1/chat/completions', chat())
  expect(response.status).toBe(200)
  await settled()
  const [, line] = await house.account.lines(0, 10)
  const { legs, at } = parseLine(line?.body ?? '')
  const vesting = legs.filter(({ vestsAt }) => vestsAt !== undefined)
  expect(vesting.map(({ role }) => role)).toEqual(isVesting ? ['operator'] : [])
  if (!isVesting) return
  const share = sumRole(legs, 'operator')
  expect(sumRole(vesting, 'operator')).toBe(share / 2n)
  const [{ vestsAt = 0 } = {}] = vesting
  expect(vestsAt % 86_400_000).toBe(0)
  expect(vestsAt - at).toBeGreaterThan(PROBATION.vestingMs - 60_000)
  expect(vestsAt - at).toBeLessThan(PROBATION.vestingMs + 86_400_000)
})
