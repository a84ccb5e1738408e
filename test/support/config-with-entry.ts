// The gateway's configuration with another entry, for a folder two below the root: a test puts a door beside the product and changes nothing else. wrangler.toml stays the
// one source of bindings.
import { readFile } from 'node:fs/promises'
import { CONFIG_PATH } from '../../gateway/local/root.ts'

/** @param entry relative to the file that is written @returns the text of a wrangler.toml */
export async function configWithEntry(entry: string): Promise<string> {
  const text = await readFile(CONFIG_PATH, 'utf8')
  return text
    .replace('main = "gateway/index.ts"', `main = "${entry}"`)
    .replaceAll('migrations_dir = "', 'migrations_dir = "../../')
    .replaceAll('= "./gateway/', '= "../../gateway/')
    .replace('directory = "dist/', 'directory = "../../dist/')
}
