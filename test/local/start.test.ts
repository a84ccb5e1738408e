import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runCommand } from '../support/command.ts'

const START = 'gateway/local/start.mjs'

describe('npm start says in one sentence what a person can mend, and ends with 1', () => {
  let stateDir: string
  let server: Server | null = null
  const run = (env: Record<string, string>) => runCommand([START], { SOUK_STATE: stateDir, SOUK_PORT: '0', ...env })
  beforeEach(async () => {
    stateDir = await mkdtemp(join(tmpdir(), 'souk-start-'))
  })
  afterEach(async () => {
    await new Promise<void>((closed) => (server ? server.close(() => closed()) : closed()))
    server = null
    await rm(stateDir, { recursive: true })
  })

  it('a port in use', async () => {
    const taken = createServer()
    server = taken
    await new Promise<void>((listening) => taken.listen(0, '127.0.0.1', listening))
    const address = taken.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    const { code, stderr } = await run({ SOUK_PORT: String(port) })
    expect(stderr.trim()).toBe(
      `Port ${port} is in use: stop what listens there, or choose another with SOUK_PORT (0 takes a free one).`,
    )
    expect(code).toBe(1)
  })

  it('a port that is none', async () => {
    const { code, stderr } = await run({ SOUK_PORT: '87870' })
    expect(stderr.trim()).toBe('SOUK_PORT is "87870", but a port is a number from 0 to 65535.')
    expect(code).toBe(1)
  })

  it('a broken wrangler.toml', async () => {
    const path = join(stateDir, 'wrangler.toml')
    await writeFile(path, 'name = "souk"\nmain = = 5\n')
    const { code, stderr } = await run({ SOUK_CONFIG: path })
    expect(stderr.trim()).toMatch(/^\S*wrangler\.toml is not valid \(line 2\): Invalid TOML document: [^\n]+\.$/)
    expect(code).toBe(1)
  })

  it('a damaged secret, without quoting it', async () => {
    await writeFile(join(stateDir, 'secrets.json'), '{"SOUK_KEY_SECRET":"canary-5f1c"')
    const { code, stderr, stdout } = await run({})
    expect(stderr.trim()).toBe(
      `${stateDir}/secrets.json is damaged: delete it to have it made anew, or choose another SOUK_STATE.`,
    )
    expect(stdout + stderr).not.toContain('canary-5f1c')
    expect(code).toBe(1)
  })
})
