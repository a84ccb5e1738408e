// What every command of the repository calls first: packages installed, dashboard built.
import { ensureDashboard } from './dashboard.mjs'
import { ensureInstalled } from './install.mjs'

export function ensureReady() {
  ensureInstalled()
  ensureDashboard()
}
