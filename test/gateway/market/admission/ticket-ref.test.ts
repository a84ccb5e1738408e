import { env } from 'cloudflare:workers'
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { openRef, sealRef, type TicketRef } from '../../../../gateway/market/admission/ticket-ref.ts'
import { Ticket } from '../../../../protocol/ticket.ts'
import { newAccountId, newNodeId } from '../../../../protocol/units.ts'

const SECRET = env.SOUK_KEY_SECRET
const asked = (): TicketRef => ({ accountId: newAccountId(systemRandom), nodeId: newNodeId(systemRandom) })
const seal = (ref: TicketRef, jti = 'jti') => sealRef(SECRET, jti, ref, systemRandom)

describe('the ref of a ticket', () => {
  it('opens for this gateway, to the account and the node it was sealed for', async () => {
    const ref = asked()
    expect(await openRef(SECRET, 'jti', await seal(ref))).toEqual(ref)
    const probe = { ...ref, accountId: null }
    expect(await openRef(SECRET, 'jti', await seal(probe))).toEqual(probe)
  })

  it('opens for no other secret and in no other ticket', async () => {
    const sealed = await seal(asked())
    expect(await openRef(`${SECRET}x`, 'jti', sealed)).toBeNull()
    expect(await openRef(SECRET, 'jtj', sealed)).toBeNull()
  })

  it.each(['', 'A', '=', 'not base64url!', 'A'.repeat(88), 'A'.repeat(10_000)])(
    'does not open when it is %j',
    async (ref) => {
      expect(await openRef(SECRET, 'jti', ref)).toBeNull()
    },
  )

  it('does not open when any one character was changed', async () => {
    const sealed = await seal(asked())
    for (let at = 0; at < sealed.length; at += 7) {
      const other = sealed[at] === 'A' ? 'B' : 'A'
      const changed = sealed.slice(0, at) + other + sealed.slice(at + 1)
      expect(await openRef(SECRET, 'jti', changed), changed).toBeNull()
    }
  })

  it('never reads the same twice, holds no id in clear, and fits the wire', async () => {
    const ref = asked()
    const sealed = await Promise.all(Array.from({ length: 50 }, () => seal(ref)))
    expect(new Set(sealed).size).toBe(50)
    // Two refs share no run of characters longer than chance: not even their nonces.
    expect(new Set(sealed.map((text) => text.slice(2, 12))).size).toBe(50)
    for (const text of sealed) {
      expect(atob(text.replaceAll('-', '+').replaceAll('_', '/'))).not.toContain(ref.accountId)
      expect(Ticket.shape.ref.safeParse(text).success).toBe(true)
    }
  })

  it('of a probe has the form of a call’s', async () => {
    const ref = asked()
    const [call, probe] = [await seal(ref), await seal({ ...ref, accountId: null })]
    expect(probe).toHaveLength(call.length)
    expect(probe.slice(0, 1)).toBe(call.slice(0, 1))
  })
})
