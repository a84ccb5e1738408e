// Types of install.mjs, which must stay plain JavaScript.
export function ensureInstalled(root?: string): void
export function install(needs: {
  readonly root: string
  readonly nodeVersion: string
  readonly npmCi: (root: string) => boolean
  readonly say: (text: string) => void
}): string | null
export function missingPackage(
  lock: { packages?: Record<string, { version?: string; integrity?: string; optional?: boolean }> },
  record: { packages?: Record<string, { version?: string; integrity?: string }> } | null,
): string | null
export function isAtLeast(version: string, wanted: string): boolean
