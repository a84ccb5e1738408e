import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { install, isAtLeast, missingPackage } from '../../gateway/local/install.mjs'

const LOCK = { packages: { '': {}, 'node_modules/a': { version: '1.0.0', integrity: 'sha512-a' } } }

describe('install', () => {
  let root: string
  let said: string[]
  const record = async (packages: object) => {
    await mkdir(join(root, 'node_modules'), { recursive: true })
    await writeFile(join(root, 'node_modules/.package-lock.json'), JSON.stringify({ packages }))
  }
  const run = (npmCi: () => boolean, nodeVersion = '20.20.2') =>
    install({ root, nodeVersion, npmCi, say: (text: string) => said.push(text) })
  const never = () => expect.unreachable('npm ci ran')

  beforeEach(async () => {
    said = []
    root = await mkdtemp(join(tmpdir(), 'souk-install-'))
    await writeFile(join(root, 'package.json'), JSON.stringify({ engines: { node: '>=20.18' } }))
    await writeFile(join(root, 'package-lock.json'), JSON.stringify(LOCK))
  })
  afterEach(() => rm(root, { recursive: true }))

  it('does nothing and says nothing when node_modules is what the lock file says', async () => {
    await record({ 'node_modules/a': LOCK.packages['node_modules/a'] })
    expect(run(never)).toBeNull()
    expect(said).toEqual([])
  })

  it('installs once on a fresh clone, saying so', () => {
    let runs = 0
    const sentence = run(() => {
      runs += 1
      return false
    })
    expect([runs, said.length]).toEqual([1, 1])
    expect(sentence).toBe('The packages could not be installed: run `npm ci` to see why, then try again.')
  })

  it('installs again when the lock file asks for another version', async () => {
    await record({ 'node_modules/a': { version: '0.9.0', integrity: 'sha512-old' } })
    let runs = 0
    expect(run(() => (runs++, true))).toContain('node_modules/a is still missing')
    expect(runs).toBe(1)
  })

  it('refuses an older Node.js before anything else', () => {
    expect(run(never, '20.17.9')).toBe('Souk needs Node.js 20.18 or newer; this is 20.17.9.')
  })

  it('refuses a damaged lock file', async () => {
    await writeFile(join(root, 'package-lock.json'), '{')
    expect(run(never)).toBe('package-lock.json is missing or unreadable: take it from the repository again.')
  })
})

describe('missingPackage', () => {
  const a = { version: '1.0.0', integrity: 'sha512-a' }
  it.each([
    ['nothing was ever installed', null, 'node_modules/a'],
    ['all is there', { packages: { 'node_modules/a': a } }, null],
    [
      'the same version has other bytes',
      { packages: { 'node_modules/a': { ...a, integrity: 'sha512-x' } } },
      'node_modules/a',
    ],
  ])('when %s', (_, installed, missing) => expect(missingPackage(LOCK, installed)).toBe(missing))

  it('does not ask for optional packages, which are often for another platform', () => {
    expect(
      missingPackage({ packages: { 'node_modules/b': { version: '1.0.0', optional: true } } }, { packages: {} }),
    ).toBeNull()
  })
})

describe('isAtLeast', () => {
  it.each([
    ['20.18.0', true],
    ['20.17.99', false],
    ['20.9.0', false],
    ['22.0.0', true],
    ['18.99.0', false],
  ])('%s against >=20.18: %s', (version, isEnough) => expect(isAtLeast(version, '>=20.18')).toBe(isEnough))
})
