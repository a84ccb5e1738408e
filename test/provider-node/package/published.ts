// The program as operators get it: packed, installed alone into an empty folder, run by npm's own link. Nothing of the repository is on its path.
import { spawn } from 'node:child_process'
import { mkdir, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { ROOT } from '../../../gateway/local/root.ts'

export interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** @throws never; ms after which it is killed: far longer than any of these takes, and an end */
export function run(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env?: Readonly<Record<string, string>>; readonly timeoutMs?: number },
): Promise<Ended> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...npmSettings(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text))
  const late = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 420_000)
  return new Promise((resolve) => {
    child.once('error', (cause) => (said.err += cause.message))
    child.once('close', (code) => {
      clearTimeout(late)
      resolve({ code, ...said })
    })
  })
}

/** Which registry is asked is the machine's affair. */
const npmSettings = () =>
  Object.fromEntries(
    Object.entries(process.env).filter(([name]) => /^npm_config_(registry|cache|userconfig)$/i.test(name)),
  )

const Packed = z.array(z.object({ filename: z.string(), files: z.array(z.object({ path: z.string() })) })).min(1)

/** `npm pack`, which builds first. @returns the tarball and what is in it */
export async function pack(into: string): Promise<{ tarball: string; files: string[] }> {
  const { code, out, err } = await run('npm', ['pack', '--json', '--pack-destination', into], {
    cwd: join(ROOT, 'provider-node'),
  })
  if (code !== 0) throw new Error(`npm pack ended with ${code}: ${err}`)
  const [packed] = Packed.parse(JSON.parse(out.slice(out.indexOf('['))))
  if (!packed) throw new Error('npm pack named no file')
  return { tarball: join(into, packed.filename), files: packed.files.map(({ path }) => path) }
}

/** What npm says when there is no registry to ask, and nothing kept from before. */
const NO_REGISTRY = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED|EIDLETIMEOUT)\b/

/**
 * Installs the tarball into an empty folder as an operator would. Without install scripts: those fetch libraries for GPUs.
 * @returns 'npm', or 'linked' where no registry is in reach: then the packages are the repository's own, of the same versions
 */
export async function install(
  tarball: string,
  folder: string,
  dependencies: readonly string[],
): Promise<'npm' | 'linked'> {
  await mkdir(folder, { recursive: true })
  const flags = ['--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund', '--fetch-retries=1']
  const { code, err } = await run('npm', ['install', ...flags, tarball], { cwd: folder })
  if (code === 0) return 'npm'
  if (!NO_REGISTRY.test(err)) throw new Error(`npm install ended with ${code}: ${err}`)
  if (process.env.CI) throw new Error(`no registry is in reach, and the installation must be shown here: ${err}`)
  const own = join(folder, 'node_modules', 'souk-node')
  await mkdir(own, { recursive: true })
  const unpacked = await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', own], { cwd: folder })
  if (unpacked.code !== 0) throw new Error(unpacked.err)
  for (const name of dependencies) {
    const link = join(folder, 'node_modules', name)
    await mkdir(join(link, '..'), { recursive: true })
    await symlink(join(ROOT, 'node_modules', name), link)
  }
  await mkdir(join(folder, 'node_modules', '.bin'))
  await symlink('../souk-node/dist/provider-node/cli.js', join(folder, 'node_modules', '.bin', 'souk-node'))
  console.warn('No registry is in reach: the packed program was run on the packages of this repository.')
  return 'linked'
}
