import { describe, expect, it } from 'vitest'
import { checkBundle, checkDeployment, type Deployment, WELL_KNOWN_VALUES } from '../../gateway/deploy/checks.ts'

const aDeployment = (changes: Partial<Deployment> = {}): Deployment => ({
  toml: 'name = "souk"\n# SOUK_LOCAL must never stand here.\n',
  vars: { SOUK_ADMINS: '0x00000000000000000000000000000000000000aa', SOUK_DOMAIN: 'souk.example' },
  define: {},
  databases: [{ name: 'souk-registry', id: '7d3c1c1e-5f0a-4c7b-9d55-0a3e51d1f6aa' }],
  developmentValues: [...WELL_KNOWN_VALUES, '0x00000000000000000000000000000000000000dE'],
  ...changes,
})

describe('checkDeployment', () => {
  it('finds nothing wrong with a configuration that is filled in', () => {
    expect(checkDeployment(aDeployment())).toEqual({ refusals: [], missing: [] })
  })

  it.each<[string, Partial<Deployment>, RegExp]>([
    ['the local switch', { toml: '[vars]\nSOUK_LOCAL = "1"\n' }, /sets SOUK_LOCAL/],
    ['the local switch, switched off', { toml: '[vars]\nSOUK_LOCAL = "0"\n' }, /sets SOUK_LOCAL/],
    [
      'the local switch in another environment',
      { toml: '[env.staging.vars]\n"SOUK_LOCAL" = "1"\n' },
      /sets SOUK_LOCAL/,
    ],
    ['the local switch in an inline table', { toml: 'vars = { SOUK_LOCAL = "1" } # really\n' }, /sets SOUK_LOCAL/],
    ['a secret among the variables', { toml: '[vars]\nSOUK_KEY_SECRET = "x"\n' }, /holds SOUK_KEY_SECRET/],
    ['the signing key among the variables', { toml: '[vars]\nSOUK_SIGNING_KEY = "x"\n' }, /holds SOUK_SIGNING_KEY/],
    ['a chain’s private key', { vars: { X: `0x${'ab'.repeat(32)}` } }, /\[vars\] X holds a private key/],
    ['a private JWK', { vars: { X: '{"kty":"OKP","d":"abc"}' } }, /\[vars\] X holds a private key/],
    ['a SOUK_ name replaced in the code', { define: { 'env.SOUK_LOCAL': '"1"' } }, /\[define\]/],
    [
      'a well-known admin',
      { toml: 'SOUK_ADMINS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"' },
      /development key or wallet/,
    ],
    [
      'the admin of this machine’s state folder',
      { toml: '"0x00000000000000000000000000000000000000De"' },
      /development key/,
    ],
  ])('refuses %s', (_, changes, sentence) => {
    const { refusals } = checkDeployment(aDeployment(changes))
    expect(refusals).toHaveLength(1)
    expect(refusals[0]).toMatch(sentence)
  })

  it('names what is not filled in yet', () => {
    const databases = [{ name: 'souk-book-0', id: '00000000-0000-0000-0000-000000000002' }]
    expect(checkDeployment(aDeployment({ vars: { SOUK_ADMINS: '', SOUK_DOMAIN: '' }, databases })).missing).toEqual([
      'The database souk-book-0 has a placeholder as its database_id.',
      'SOUK_ADMINS is empty: put the address of the first admin there.',
      'SOUK_DOMAIN is empty: put the host name that people will sign in to there.',
    ])
  })
})

describe('checkBundle', () => {
  it.each([
    ['nothing', 'const local = env.SOUK_LOCAL === "1"', 0],
    ['a switch that is on', 'const env = { ...bindings, SOUK_LOCAL: "1" }', 1],
    ['a development key', `sign("${WELL_KNOWN_VALUES.at(-1)}")`, 1],
  ])('finds %s', (_, code, count) => expect(checkBundle(code, WELL_KNOWN_VALUES)).toHaveLength(count))
})
