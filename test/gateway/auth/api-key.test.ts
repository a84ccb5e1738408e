// API keys as a rule: what was minted is read back, and nothing else is.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { KEY_SECRET_BYTES, mintApiKey, readApiKey } from '../../../gateway/auth/api-key.ts'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { sha256Hex, utf8ToBytes } from '../../../protocol/canonical.ts'
import { isAccountId, isKeyId, newAccountId, newKeyId } from '../../../protocol/units.ts'

const SECRET = 'c291ay10ZXN0LXNlY3JldC1zb3VrLXRlc3Qtc2VjcmV0IQ'
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const arbitraryKey = fc.tuple(bytes(10), bytes(7), bytes(KEY_SECRET_BYTES)).map(([account, key, secret]) =>
  mintApiKey(
    newAccountId(() => account),
    newKeyId(() => key),
    secret,
    SECRET,
  ),
)

const aKey = () =>
  mintApiKey(newAccountId(systemRandom), newKeyId(systemRandom), systemRandom(KEY_SECRET_BYTES), SECRET)

describe('an API key', () => {
  it('reads back as the account, the key and the hash it was minted with', () => {
    fc.assert(
      fc.property(arbitraryKey, ({ key, accountId, keyId, secretHash }) => {
        expect(readApiKey(key, SECRET)).toMatchObject({ accountId, keyId, secretHash })
        expect(readApiKey(key, SECRET)?.secret.bytes()).toEqual(utf8ToBytes(key.split('-')[4] ?? ''))
      }),
    )
  })

  it('is five parts, of which the fourth holds 160 bits and is all that its hash is of', () => {
    const minted = aKey()
    const [sk, souk, account = '', key = '', secret = '', mac = ''] = minted.key.split('-')
    expect([sk, souk, isAccountId(account), isKeyId(key), secret.length, mac.length]).toEqual([
      'sk',
      'souk',
      true,
      true,
      32,
      24,
    ])
    expect(minted.secretHash).toBe(sha256Hex(secret))
    expect(minted.hint).not.toContain(secret.slice(0, 4))
  })

  it('is refused when any one character of it is another one', () => {
    const { key } = aKey()
    for (let i = 0; i < key.length; i++)
      for (const char of [...ALPHABET, '-', 'A', 'u', ' '])
        if (char !== key[i]) expect(readApiKey(key.slice(0, i) + char + key.slice(i + 1), SECRET)).toBeNull()
  })

  it('is refused with a character more or less, in upper case, and with spaces around it', () => {
    const { key } = aKey()
    const wrong = [
      key.slice(0, -1),
      `${key}0`,
      key.toUpperCase(),
      ` ${key}`,
      `${key}\n`,
      `${key}-0`,
      key.replace('sk-souk-', 'sk-'),
    ]
    for (const text of wrong) expect(readApiKey(text, SECRET)).toBeNull()
  })

  it('is refused when its parts are those of two keys', () => {
    const [a, b] = [aKey().key.split('-'), aKey().key.split('-')]
    for (let part = 2; part < 6; part++)
      expect(readApiKey(a.map((text, i) => (i === part ? b[i] : text)).join('-'), SECRET)).toBeNull()
  })

  it('is refused under another gateway secret', () => {
    expect(readApiKey(aKey().key, SECRET.replace('c', 'd'))).toBeNull()
  })

  it('is never read from arbitrary text', () => {
    const isRefused = (text: string) => readApiKey(text, SECRET) === null
    fc.assert(fc.property(fc.string({ maxLength: 200 }), isRefused))
    fc.assert(fc.property(fc.string({ maxLength: 90 }), (text) => isRefused(`sk-souk-${text}`)))
  })

  it('is not minted from too little randomness', () => {
    expect(() => mintApiKey(newAccountId(systemRandom), newKeyId(systemRandom), systemRandom(10), SECRET)).toThrow(
      RangeError,
    )
  })
})
