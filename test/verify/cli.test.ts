import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseLine } from '../../protocol/journal.ts'
import {
  claimsOf,
  firstOpening,
  openingAfter,
  STATEMENT_TYP,
  statementOf,
  statementText,
} from '../../protocol/statement.ts'
import { signClaims } from '../../protocol/ticket.ts'
import { ACCOUNT, aLife, aSigningKey, chain, fileOf, START } from '../support/journal.ts'

const signers = { gateway: await aSigningKey(), node: await aSigningKey() }
const stranger = await aSigningKey()
const lines = chain(await aLife(signers))
const whole = await fileOf(signers.gateway, lines)

let folder = ''
const write = async (name: string, content: string | Uint8Array) => writeFile(join(folder, name), content)

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Plain node, in a folder that holds the program and the files, and nothing else. */
function run(args: string[], stdin = ''): Promise<Ran> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['souk-verify.mjs', ...args],
      { cwd: folder, env: {} },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }),
    )
    child.stdin?.end(stdin)
  })
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'souk-verify-'))
  const build = fileURLToPath(new URL('../../gateway/verify/build.mjs', import.meta.url))
  await new Promise<void>((done, failed) =>
    execFile(process.execPath, [build, join(folder, 'souk-verify.mjs')], (error) => (error ? failed(error) : done())),
  )
  await write('journal.ndjson', whole.join(''))
  await write('jwks.json', JSON.stringify(signers.gateway.jwks))
  await write('stranger.json', JSON.stringify(stranger.jwks))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('souk-verify', () => {
  it('is one file that loads nothing but Node.js itself', async () => {
    const text = await readFile(join(folder, 'souk-verify.mjs'), 'utf8')
    const imports = [...text.matchAll(/^\s*import\s.*?from\s*["'](.+?)["']/gm)].map(([, from]) => from)
    expect(imports.length).toBeGreaterThan(0)
    expect(imports.filter((from) => !from?.startsWith('node:'))).toEqual([])
  })

  it('says that a whole journal holds, and its sums', async () => {
    const { code, out } = await run(['journal.ndjson'])
    expect(out).toContain('everything holds')
    expect(out).toMatch(/paid +0\.000002884 for calls, refunded 0\.000000721/)
    expect(out).toMatch(/5 tickets and 4 receipts of 4 calls hold; 0 tickets and 0 receipts are not kept/)
    expect(out).toContain('of the journal itself')
    expect(code).toBe(0)
  })

  it('takes the keys that it is given', async () => {
    expect((await run(['journal.ndjson', '--jwks', 'jwks.json'])).out).toContain('given with --jwks')
    expect((await run(['journal.ndjson', '--jwks', 'stranger.json', '--jwks', 'jwks.json'])).code).toBe(0)
    expect(await run(['journal.ndjson', '--jwks', 'stranger.json'])).toMatchObject({
      code: 1,
      out: expect.stringMatching(/line 3 is broken: the ticket is not signed/) as string,
    })
  })

  it('reads standard input', async () => {
    expect((await run(['-'], whole.join(''))).code).toBe(0)
  })

  it('names the first broken line and exits with 1', async () => {
    await write('broken.ndjson', whole.filter((_, i) => i !== 7).join(''))
    const { code, out } = await run(['broken.ndjson'])
    expect([code, out.trim().split('\n').at(-1)]).toEqual([
      1,
      'line 7 is broken: it is numbered 8 where 7 follows: a gap, or another order',
    ])
    await write('cut.ndjson', whole.slice(0, -1).join(''))
    expect((await run(['cut.ndjson'])).out).toContain(
      'line 20 is broken: the file ends without its signed head: it was cut',
    )
    await write(
      'bytes.ndjson',
      Buffer.from(whole.join('')).map((byte, i, all) => (i === all.length - 10 ? 0xff : byte)),
    )
    expect((await run(['bytes.ndjson'])).code).toBe(1)
    await write('empty.ndjson', '')
    expect((await run(['empty.ndjson'])).code).toBe(1)
  })

  it('tells programs the same as JSON', async () => {
    const held = JSON.parse((await run(['journal.ndjson', '--json'])).out) as object
    expect(held).toMatchObject({
      ok: true,
      account: ACCOUNT,
      lines: 19,
      paid: '0.000002884',
      broken: null,
      proofs: { calls: 4 },
    })
    await write('broken.ndjson', whole.filter((_, i) => i !== 7).join(''))
    const { code, out } = await run(['broken.ndjson', '--json'])
    expect(code).toBe(1)
    expect(JSON.parse(out)).toMatchObject({ ok: false, broken: { seq: 7 } })
  })

  it('exits with 2 for what it cannot read or is not asked right', async () => {
    await write('long.ndjson', `{"x":"${'y'.repeat(5 * 1024 * 1024)}`)
    const cases: [string[], RegExp][] = [
      [[], /name one journal/],
      [['a', 'b'], /name one journal/],
      [['missing.ndjson'], /ENOENT/],
      [['.'], /EISDIR/],
      [['long.ndjson'], /longer than 4 MiB/],
      [['journal.ndjson', '--nonsense'], /nonsense/],
      [['journal.ndjson', '--jwks', 'journal.ndjson'], /cannot be read as JSON/],
      [['journal.ndjson', '--jwks', 'missing'], /cannot be read/],
      [['journal.ndjson', '--statement', '2040-13'], /takes a month/],
      [['journal.ndjson', '--against', 'x'], /needs --statement/],
      [['journal.ndjson', '--statement', '2040-05'], /no month 2040-05/],
      [['journal.ndjson', '--statement', '2040-09'], /was not over/],
      [['part.ndjson', '--statement', '2040-06'], /from its first line/],
    ]
    await write('part.ndjson', (await fileOf(signers.gateway, lines, { after: 3 })).join(''))
    for (const [args, why] of cases) {
      const { code, out, err } = await run(args)
      expect([code, out]).toEqual([2, ''])
      expect(err).toMatch(why)
      expect(err.trimEnd().split('\n')).toHaveLength(1)
    }
  })

  it('explains itself', async () => {
    expect(await run(['--help'])).toMatchObject({ code: 0, out: expect.stringContaining('Exit code') as string })
  })
})

describe('souk-verify --statement', () => {
  const months = lines.map(({ body, hash }) => ({ line: parseLine(body), hash }))
  const june = statementOf(firstOpening(ACCOUNT, START), months.slice(0, 10))
  const july = statementOf(openingAfter(june), [])
  const august = statementOf(openingAfter(july), months.slice(10))
  const signed = async (statement: typeof june, over: object = {}, key = signers.gateway) =>
    JSON.stringify({
      statement: { ...statement, ...over },
      signature: await signClaims(claimsOf(statement), key.privateKey, { typ: STATEMENT_TYP, kid: key.kid }),
    })

  it.each([june, july, august].map((statement) => [statement.month, statement] as const))(
    'rebuilds %s to the byte',
    async (month, statement) => {
      await write('given.json', await signed(statement))
      const { code, out, err } = await run(['journal.ndjson', '--statement', month, '--against', 'given.json'])
      expect(out).toBe(`${statementText(statement)}\n`)
      expect(err).toContain('everything holds')
      expect(code).toBe(0)
    },
  )

  it('finds a statement that says something else, or is not signed', async () => {
    const cases: [string, RegExp][] = [
      [await signed(june, { refunded: '0.000000720' }), /differs from the journal in "refunded"/],
      [await signed(june, { number: 2 }), /in "number"/],
      [await signed(june, {}, stranger), /not signed by a key of the gateway/],
      [
        JSON.stringify({
          statement: june,
          signature: (JSON.parse(await signed(july)) as { signature: string }).signature,
        }),
        /that of another statement/,
      ],
    ]
    for (const [given, why] of cases) {
      await write('given.json', given)
      const { code, err } = await run(['journal.ndjson', '--statement', '2040-06', '--against', 'given.json'])
      expect(err).toMatch(why)
      expect(code).toBe(1)
    }
  })
})
