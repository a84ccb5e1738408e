// Where the repository stands on this machine.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url)).replace(/[/\\]$/, '')
export const CONFIG_PATH = join(ROOT, 'wrangler.toml')
