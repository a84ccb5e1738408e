import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SECRETS } from '../../gateway/deploy/checks.ts'
import { deploy } from '../../gateway/deploy/deploy.ts'
import { WranglerFailure, type WranglerCommand } from '../../gateway/deploy/wrangler-command.ts'
import { ROOT } from '../../gateway/local/root.ts'
import { runCommand } from '../support/command.ts'

let folder: string
let configPath: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'souk-deploy-'))
  await cp(join(ROOT, 'test/local/stub'), folder, { recursive: true })
  configPath = join(folder, 'wrangler.toml')
})
afterEach(() => rm(folder, { recursive: true }))

const edit = async (from: string, to: string) => {
  const toml = await readFile(configPath, 'utf8')
  expect(toml).toContain(from)
  await writeFile(configPath, toml.replace(from, to))
}

describe('npm run deploy -- --dry-run', () => {
  const dryRun = (...options: string[]) =>
    runCommand(['gateway/deploy/deploy.mjs', '--dry-run', '--outdir', join(folder, 'dist'), ...options], {
      SOUK_STATE: join(folder, 'state'),
    })

  it('builds the real gateway, states its size and names what only the network can tell', async () => {
    const { code, stdout, stderr } = await dryRun()
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(stdout).toMatch(/^bundle: [\d.]+ KiB, gzip [\d.]+ KiB, in /m)
    expect(stdout).toContain('not checked without the network: databases, secrets, migrations, /healthz')
    const bundle = await readFile(join(folder, 'dist/index.js'), 'utf8')
    expect(bundle).toContain('AccountGuard')
  })

  it('refuses a planted local switch and builds nothing', async () => {
    await edit('[vars]', '[vars]\nSOUK_LOCAL = "1"')
    const { code, stdout, stderr } = await dryRun('--config', configPath)
    expect(stderr.trim()).toBe(
      'wrangler.toml sets SOUK_LOCAL: take it out, it opens the faucet and is for the local runner only.',
    )
    expect([code, stdout]).toEqual([1, ''])
  })

  it('refuses a development key in the code', async () => {
    const worker = join(folder, 'worker.ts')
    await writeFile(
      worker,
      `${await readFile(worker, 'utf8')}\nexport const key = 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A'\n`,
    )
    const { code, stderr } = await dryRun('--config', configPath)
    expect(stderr.trim()).toBe('The bundle holds a development key or wallet.')
    expect(code).toBe(1)
  })

  it('says how it is called when it is called otherwise', async () => {
    const { code, stderr } = await dryRun('--prod')
    expect(stderr).toContain('Usage: npm run deploy [-- --dry-run]')
    expect(code).toBe(1)
  })
})

describe('npm run deploy', () => {
  const ID = '7d3c1c1e-5f0a-4c7b-9d55-0a3e51d1f6aa'
  /** Cloudflare's side, as far as wrangler prints it. */
  const run = async (answers: Record<string, string | Error>, reply = Response.json({ ok: true })) => {
    const commands: string[] = []
    const wrangler: WranglerCommand = async (args) => {
      commands.push(args.join(' '))
      const answer = answers[args.slice(0, 2).join(' ')] ?? ''
      if (answer instanceof Error) throw answer
      return answer
    }
    const asked: string[] = []
    const said: string[] = []
    const failure = await deploy({
      configPath,
      outDir: join(folder, 'dist'),
      stateDir: join(folder, 'state'),
      say: (text) => void said.push(text),
      wrangler,
      fetch: async (url) => {
        asked.push(String(url))
        return reply.clone()
      },
      pauseMs: 0,
    }).then(
      () => null,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    )
    return { commands, asked, said, failure }
  }
  const filledIn = async () => {
    await edit('00000000-0000-0000-0000-000000000001', ID)
    await edit('[vars]', '[vars]\nSOUK_ADMINS = "0x00000000000000000000000000000000000000aa"')
  }
  const allSecrets = JSON.stringify(Object.keys(SECRETS).map((name) => ({ name, type: 'secret_text' })))

  it('makes the database that has a placeholder and tells where to write its id', async () => {
    const { commands, failure } = await run({ 'd1 list': JSON.stringify([{ name: 'other', uuid: ID }]) })
    expect(commands).toEqual(['d1 list --json', 'd1 create stub', 'd1 list --json'])
    expect(failure).toContain('Write their ids into wrangler.toml')
  })

  it('does not make a database twice', async () => {
    const { commands, failure } = await run({ 'd1 list': JSON.stringify([{ name: 'stub', uuid: ID }]) })
    expect(commands).not.toContain('d1 create stub')
    expect(failure).toContain(`DB: database_id = "${ID}"`)
  })

  it('tells the exact commands for secrets that are missing, also before there is a Worker', async () => {
    await filledIn()
    const { commands, failure } = await run({ 'secret list': new WranglerFailure('no', 'not found [code: 10007]') })
    for (const command of Object.values(SECRETS)) expect(failure).toContain(command)
    expect(commands).toEqual(['secret list --format json'])
  })

  it('refuses a Worker whose secrets open the faucet', async () => {
    await filledIn()
    const secrets = [...Object.keys(SECRETS), 'SOUK_LOCAL'].map((name) => ({ name, type: 'secret_text' }))
    const { commands, failure } = await run({ 'secret list': JSON.stringify(secrets) })
    expect(failure).toContain('npx wrangler secret delete SOUK_LOCAL')
    expect(commands).toEqual(['secret list --format json'])
  })

  it('stops without an admin before anything is sent', async () => {
    await edit('00000000-0000-0000-0000-000000000001', ID)
    const { commands, failure } = await run({ 'secret list': allSecrets })
    expect(failure).toBe('SOUK_ADMINS is empty: put the address of the first admin there.')
    expect(commands).toEqual([])
  })

  it('migrates before it deploys, then looks at the gateway', async () => {
    await filledIn()
    const { commands, asked, failure } = await run({ 'secret list': allSecrets })
    expect(failure).toBeNull()
    expect(commands).toEqual(['secret list --format json', 'd1 migrations apply DB --remote', 'deploy'])
    expect(asked).toEqual(['https://souk.example/healthz'])
  })

  it('fails when what was deployed does not answer', async () => {
    await filledIn()
    const { failure } = await run({ 'secret list': allSecrets }, new Response('no', { status: 500 }))
    expect(failure).toContain('https://souk.example/healthz does not answer')
  })
})
