// The published form: what is packed is what runs, on the versions that were tested, and it runs where nothing else of the repository is.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import { applyEdits, modify } from 'jsonc-parser'
import ts from 'typescript'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ROOT } from '../../../gateway/local/root.ts'
import { startCommand } from '../../support/command.ts'
import { aGateway, aTemporaryFolder, type FakeGateway } from '../builders.ts'
import { install, pack, run } from './published.ts'

const Manifest = z.object({
  name: z.string(),
  version: z.string(),
  license: z.string(),
  engines: z.object({ node: z.string() }),
  dependencies: z.record(z.string(), z.string()),
})
const manifestOf = async (folder: string) =>
  Manifest.parse(JSON.parse(await readFile(join(ROOT, folder, 'package.json'), 'utf8')))
const text = (path: string) => readFile(join(ROOT, path), 'utf8')

let work = ''
let removeWork = () => Promise.resolve()
let packed: Awaited<ReturnType<typeof pack>>
let installed = ''
let gateway: FakeGateway
beforeAll(async () => {
  const folder = await aTemporaryFolder()
  work = folder.path
  removeWork = folder.remove
  gateway = await aGateway()
  packed = await pack(work)
  installed = join(work, 'somewhere-else')
  await install(packed.tarball, installed, Object.keys((await manifestOf('provider-node')).dependencies))
}, 900_000)
afterAll(async () => {
  await gateway.close()
  await removeWork()
})

/** As npx finds it. */
const soukNode = (args: readonly string[]) =>
  run(join(installed, 'node_modules', '.bin', 'souk-node'), args, { cwd: installed })

describe('the package', () => {
  it('depends on what its modules import, no more and no less, in the versions the repository is tested with', async () => {
    const own = await manifestOf('provider-node')
    const root = await manifestOf('.')
    expect(Object.keys(own.dependencies)).toEqual(await packagesImported())
    for (const [name, version] of Object.entries(own.dependencies))
      expect([name, version]).toEqual([name, root.dependencies[name]])
    expect([own.version, own.license, own.engines]).toEqual([root.version, root.license, root.engines])
  })

  it('holds plain JavaScript, the shipped models, its papers, and nothing for developers', async () => {
    const strange = packed.files.filter((path) =>
      /\.ts$|(^|\/)test\/|eval\.json|build\.mjs|features\.mjs|tsconfig/.test(path),
    )
    expect(strange).toEqual([])
    const root = packed.files.filter((path) => !path.includes('/'))
    expect(root.sort()).toEqual(['Dockerfile', 'LICENSE', 'README.md', 'package.json', 'souk-node.service'])
    expect(packed.files).toContain('dist/provider-node/models/tiny-chat/manifest.json')
    expect(await text('provider-node/LICENSE')).toBe(await text('LICENSE'))
  })

  it('loads no compiler and no loader of TypeScript', async () => {
    const names = await modulesBelow(join(installed, 'node_modules', 'souk-node', 'dist'))
    const texts = await Promise.all(names.map((name) => readFile(name, 'utf8')))
    expect(names.filter((_, index) => /'tsx|"tsx|\.ts['"]\)?;?$/m.test(texts[index] ?? ''))).toEqual([])
  })
})

describe('installed alone in an empty folder', () => {
  it('explains itself, makes a node and serves a call with it', { timeout: 300_000 }, async () => {
    const help = await run('npx', ['--no-install', 'souk-node', '--help'], { cwd: installed })
    expect([help.code, help.out.includes('Commands:')]).toEqual([0, true])
    const { version } = await manifestOf('.')
    expect((await soukNode(['--version'])).out).toContain(`souk-node ${version} `)
    const home = join(work, 'node')
    const ownKey = 'sixteen-characters-at-least'
    const init = await soukNode(['init', '--gateway', gateway.url, '--port', '0', '--home', home])
    expect([init.code, init.err]).toEqual([0, ''])
    await setField(join(home, 'config.json'), 'ownKey', ownKey)
    await setField(join(home, 'config.json'), 'port', 0)
    const cli = join(installed, 'node_modules', 'souk-node', 'dist', 'provider-node', 'cli.js')
    const doctor = await soukNode(['doctor', '--home', home, '--json'])
    const told = z.object({ findings: z.array(z.object({ check: z.string(), verdict: z.string() })) })
    const { findings } = told.parse(JSON.parse(doctor.out))
    expect(findings.filter(({ verdict }) => verdict === 'wrong').map(({ check }) => check)).toEqual(['registration'])
    const node = startCommand([cli, 'start', '--home', home])
    const url = /ready (http\S+)/.exec(await node.said('ready http'))?.[1] ?? ''
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ownKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'souk/tiny-chat', messages: [{ role: 'user', content: 'What is a frog?' }] }),
      signal: AbortSignal.timeout(60_000),
    })
    const text = await answer.text()
    expect([answer.status, text.endsWith('data: [DONE]\n\n'), /"content":"[^"]+"/.test(text)]).toEqual([
      200,
      true,
      true,
    ])
    node.signal('SIGTERM')
    expect(await node.ended).toMatchObject({ code: 0, stderr: '' })
  })
})

async function setField(file: string, field: string, value: unknown): Promise<void> {
  const before = await readFile(file, 'utf8')
  await writeFile(file, applyEdits(before, modify(before, [field], value, {})))
}

/** Packages that the compiled modules name, sorted. */
async function packagesImported(): Promise<string[]> {
  const names = new Set<string>()
  for (const file of await modulesBelow(join(ROOT, 'provider-node', 'dist')))
    for (const { fileName } of ts.preProcessFile(await readFile(file, 'utf8')).importedFiles)
      if (!fileName.startsWith('.')) names.add(/^(@[^/]+\/)?[^/]+/.exec(fileName)?.[0] ?? '')
  return [...names].filter((name) => !name.startsWith('node:') && !builtinModules.includes(name)).sort()
}

async function modulesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true })
  return entries.filter((entry) => /\.m?js$/.test(entry.name)).map((entry) => join(entry.parentPath, entry.name))
}
