import { cp, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ROOT } from '../../gateway/local/root.ts'
import { eventually } from '../support/eventually.ts'
import { spawnGateway, type GatewayHandle } from '../support/gateway-process.ts'

describe('the local gateway', () => {
  let folder: string
  let stateDir: string
  let configPath: string
  const running: GatewayHandle[] = []
  const start = async (port = 0, vars?: Record<string, string>) => {
    const gateway = await spawnGateway({ stateDir, port, configPath, ...(vars ? { vars } : {}) })
    running.push(gateway)
    return gateway
  }

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'souk-gateway-'))
    await cp(join(ROOT, 'test/local/stub'), folder, { recursive: true })
    stateDir = join(folder, 'state')
    configPath = join(folder, 'wrangler.toml')
  })
  afterEach(async () => {
    await Promise.all(running.splice(0).map((gateway) => gateway.kill()))
    await rm(folder, { recursive: true, force: true })
  })

  it('injects the local switch, its own secrets and the given variables over those of wrangler.toml', async () => {
    const gateway = await start(0, { SOUK_ADMINS: '0x0000000000000000000000000000000000000001' })
    const vars: unknown = await (await fetch(gateway.url)).json()
    expect(vars).toMatchObject({
      SOUK_LOCAL: '1',
      SOUK_DOMAIN: '',
      SOUK_CHAIN_ID: '31337',
      SOUK_ADMINS: '0x0000000000000000000000000000000000000001',
      SOUK_KEY_SECRET: expect.stringMatching(/^[\w-]{43}$/),
      SOUK_SIGNING_KEY: expect.stringContaining('"crv":"Ed25519"'),
    })
    expect(await (await fetch(gateway.directUrl)).json()).toEqual(vars)
    expect(gateway.chainId).toBe(31337)
    for (const file of ['secrets.json', 'gateway.log', 'run.json'])
      expect([file, (await stat(join(stateDir, file))).mode & 0o777]).toEqual([file, 0o600])
  })

  it('connects to the internet and to this machine, and to no address around it, whatever led there', async () => {
    const server = createHttpServer((_, response) => response.end('hi'))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo // it listens on a port, not on a pipe
    const gateway = await start()
    const reach = async (url: string) => (await fetch(`${gateway.url}/?reach=${encodeURIComponent(url)}`)).json()
    for (const host of ['127.0.0.1', 'localhost'])
      expect(await reach(`http://${host}:${port}/`)).toEqual({ text: 'hi' })
    for (const address of ['10.0.0.1', '192.168.1.1', '169.254.169.254'])
      expect(await reach(`http://${address}:${port}/`)).toMatchObject({ error: expect.any(String) })
    server.close()
    // workerd's lines come to the log in their own time, not before the answer.
    await eventually(10_000, async () => {
      const log = await readFile(join(stateDir, 'gateway.log'), 'utf8')
      expect(log.match(/connect\(\) blocked/g)).toHaveLength(3)
    })
  })

  it('finds yesterday’s rows and secrets, also when production has given the database another id', async () => {
    const before = await start()
    const secrets = await readFile(join(stateDir, 'secrets.json'), 'utf8')
    await before.runCrons()
    expect(await before.stop()).toBe(0)
    await expect(stat(join(stateDir, 'run.json'))).rejects.toThrow('ENOENT')
    const toml = await readFile(configPath, 'utf8')
    await writeFile(
      configPath,
      toml.replace('00000000-0000-0000-0000-000000000001', '7d3c1c1e-5f0a-4c7b-9d55-0a3e51d1f6aa'),
    )
    const after = await start()
    expect(await after.query('DB', 'SELECT cron FROM runs')).toEqual([{ cron: '* * * * *' }])
    expect(await after.query('DB', 'SELECT name FROM d1_migrations')).toEqual([{ name: '0000_runs.sql' }])
    expect(await readFile(join(stateDir, 'secrets.json'), 'utf8')).toBe(secrets)
  })

  it('refuses a second gateway on the same state folder, by its process', async () => {
    const first = await start()
    await expect(start()).rejects.toThrow(`Another souk (process ${first.pid}) already runs on ${stateDir}`)
  })

  it('starts again on the same port after a kill that left workerd behind', async () => {
    const first = await start()
    await first.runCrons()
    const { children } = JSON.parse(await readFile(join(stateDir, 'run.json'), 'utf8')) as {
      children: { pid: number }[]
    }
    expect(children).toHaveLength(1)
    // Only the process itself, not its group: workerd lives on and holds the port.
    process.kill(first.pid, 'SIGKILL')
    await first.kill()
    const second = await start(Number(new URL(first.url).port))
    expect(await second.query('DB', 'SELECT count(*) AS n FROM runs')).toEqual([{ n: 1 }])
    expect(() => process.kill(children[0]?.pid ?? 0, 0)).toThrow('ESRCH')
  })

  it('names a port in use and the variable that chooses another', async () => {
    const server = createServer()
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
    const address = server.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    await expect(start(port)).rejects.toThrow(
      `Port ${port} is in use: stop what listens there, or choose another with SOUK_PORT (0 takes a free one).`,
    )
    await new Promise((closed) => server.close(closed))
    await expect(stat(join(stateDir, 'run.json'))).rejects.toThrow('ENOENT')
  })

  it('names the source that cannot be built', async () => {
    await writeFile(join(folder, 'worker.ts'), "import './absent.ts'\nexport default {}\n")
    await expect(start()).rejects.toThrow(
      /The gateway cannot be built: Could not resolve "\.\/absent\.ts" \(.*worker\.ts:1:7\)\.$/,
    )
  })

  it('names the migration that fails', async () => {
    await writeFile(join(folder, 'migrations/0001_bad.sql'), 'CREATE TABEL x (y);')
    await expect(start()).rejects.toThrow(/The migration .*0001_bad\.sql failed: .*syntax error/)
  })
})
