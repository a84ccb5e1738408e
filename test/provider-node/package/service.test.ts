// The unit of systemd and the container file: what they say of the program is true of it. Neither a service manager nor a container is started here; the
// unit is checked by systemd's own program where there is one.
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { ROOT } from '../../../gateway/local/root.ts'
import { COMMANDS } from '../../../provider-node/cli/commands.ts'
import { aConfig, aTemporaryFolder } from '../builders.ts'

const execute = promisify(execFile)
const read = (name: string) => readFile(join(ROOT, 'provider-node', name), 'utf8')
const setting = (unit: string, name: string) => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1]

const verifies = await execute('systemd-analyze', ['--version']).then(
  () => true,
  () => false,
)

describe('souk-node.service', () => {
  it.skipIf(!verifies)('is a unit that systemd understands', async () => {
    const folder = await aTemporaryFolder()
    const file = join(folder.path, 'souk-node.service')
    // Programs that a unit names must exist where it is checked: this machine has the program elsewhere.
    await writeFile(file, (await read('souk-node.service')).replace('/usr/local/bin/souk-node', process.execPath))
    const { stdout, stderr } = await execute('systemd-analyze', ['verify', file])
    const complaints = `${stdout}${stderr}`.split('\n').filter((line) => line !== '')
    // systemd before 254 has no growing pauses between restarts: it says so and goes on without them.
    expect(complaints.filter((line) => !/Unknown key.*'(RestartSteps|RestartMaxDelaySec)'/.test(line))).toEqual([])
    await folder.remove()
  })

  it('leaves a node that drains the time it takes, and stops it by the signal it drains on', async () => {
    const unit = await read('souk-node.service')
    const { drainMs } = aConfig('http://127.0.0.1:1', { drainMs: undefined })
    expect(Number(setting(unit, 'TimeoutStopSec')) * 1_000).toBeGreaterThanOrEqual(drainMs * 2)
    expect(setting(unit, 'KillSignal')).toBe('SIGTERM')
    expect(setting(unit, 'Restart')).toBe('on-failure')
  })

  it('calls commands and options that exist', async () => {
    const unit = await read('souk-node.service')
    await expectKnown((setting(unit, 'ExecStart') ?? '').split(' ').slice(1))
  })
})

describe('Dockerfile', () => {
  it('calls commands and options that exist', async () => {
    const file = await read('Dockerfile')
    const start: unknown = JSON.parse(/^CMD (\[.*\])$/m.exec(file)?.[1] ?? '[]')
    const health: unknown = JSON.parse(/^HEALTHCHECK .*CMD (\[.*\])$/m.exec(file)?.[1] ?? '[]')
    if (!Array.isArray(start) || !Array.isArray(health)) throw new Error('not in the form of a list')
    await expectKnown(start.map(String))
    await expectKnown(health.slice(1).map(String))
  })

  it('runs as nobody in particular, keeps its state in a volume, and is left the time to drain', async () => {
    const file = await read('Dockerfile')
    expect(/^USER (.*)$/m.exec(file)?.[1]).toBe('node')
    expect(/^VOLUME (.*)$/m.exec(file)?.[1]).toBe('/state')
    expect(file).toContain('SOUK_NODE_HOME=/state')
    expect(file).toContain('--stop-timeout 45')
  })

  it('takes nothing but the packed program into its build', async () => {
    expect((await read('.dockerignore')).trim().split('\n')).toEqual(['*', '!souk-node-*.tgz'])
  })
})

async function expectKnown([name = '', ...options]: readonly string[]): Promise<void> {
  const spec = (await COMMANDS[name]?.load())?.spec
  expect(spec?.name).toBe(name)
  for (const option of options.filter((word) => word.startsWith('--')))
    expect(Object.keys(spec?.options ?? {})).toContain(option.slice(2))
}
