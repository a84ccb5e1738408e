import fc from 'fast-check'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { openText, sealText, Secret, type Seal } from '../../../gateway/core/sealed.ts'

const seal = (over: Partial<Seal> = {}): Seal => ({
  secret: new Secret('0123456789abcdefghjkmnpqrstvwxyz'),
  salt: 'order-1',
  place: 'a1'.repeat(32),
  ...over,
})

describe('a sealed text', () => {
  it('opens with the same secret, salt and place, whatever it says', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'binary' }), fc.string({ maxLength: 255 }), async (text, salt) => {
        const sealed = await sealText(seal({ salt }), text, systemRandom)
        expect(await openText(seal({ salt }), sealed)).toBe(text)
      }),
      { numRuns: 200 },
    )
  })

  it.each([
    ['another secret', { secret: new Secret('0123456789abcdefghjkmnpqrstvwxy0') }],
    ['no secret', { secret: new Secret('') }],
    ['another Idempotency-Key', { salt: 'order-2' }],
    ['no Idempotency-Key', { salt: '' }],
    ['another place', { place: 'a1'.repeat(31) + 'a2' }],
  ])('stays closed to %s', async (_, over) => {
    const sealed = await sealText(seal(), 'an answer', systemRandom)
    expect(await openText(seal(over), sealed)).toBeNull()
  })

  it('stays closed when any one byte of it is another one, is missing or is too many', async () => {
    const sealed = new Uint8Array(await sealText(seal(), 'an answer', systemRandom))
    for (let at = 0; at < sealed.length; at++) {
      const changed = sealed.slice()
      changed[at] = (changed[at] ?? 0) ^ 1
      expect(await openText(seal(), changed.buffer), `byte ${at}`).toBeNull()
      expect(await openText(seal(), sealed.slice(0, at).buffer), `${at} bytes`).toBeNull()
    }
    expect(await openText(seal(), Uint8Array.of(...sealed, 0).buffer)).toBeNull()
  })

  it('shows nothing of its text and never looks the same twice', async () => {
    const [one, two] = [
      new Uint8Array(await sealText(seal(), 'canary canary canary', systemRandom)),
      new Uint8Array(await sealText(seal(), 'canary canary canary', systemRandom)),
    ]
    expect(new TextDecoder().decode(one)).not.toContain('canary')
    expect(one).not.toEqual(two)
    expect(one.length).toBe('canary canary canary'.length + 29)
  })
})

describe('a secret', () => {
  it('is in nothing that prints, clones or serialises it', () => {
    const holder = { kind: 'key', secret: new Secret('canary') }
    const said = [
      JSON.stringify(holder),
      inspect(holder, { depth: null, showHidden: true, getters: true }),
      `${holder.secret}`,
      JSON.stringify(structuredClone({ ...holder.secret })),
      JSON.stringify(Object.entries(holder.secret)),
      JSON.stringify({ ...holder.secret }),
    ]
    for (const text of said) expect(text).not.toContain('canary')
    expect(JSON.stringify(holder)).toBe('{"kind":"key"}')
  })
})
