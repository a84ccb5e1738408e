// Looks at a page of the dashboard from inside while it comes to stand: when it stood, what it had loaded by then, what moved, and in which colours it
// was drawn. Asked from outside as text: what Playwright would put into the page, our policy forbids.
import type { BrowserContext, Page } from 'playwright-core'
import { expect } from 'vitest'
import { z } from 'zod'
import { gzippedBytes } from './dashboard-loads.ts'

const WAIT = { timeout: 30_000 }

/** Before anything of the page runs. `stood`: its heading stands and nothing of it is being fetched. */
const WATCH = `window.__seen = { lcpMs: 0, shift: 0, stoodMs: 0, backgrounds: [] }
  new PerformanceObserver((list) => { for (const entry of list.getEntries()) window.__seen.lcpMs = entry.startTime })
    .observe({ type: 'largest-contentful-paint', buffered: true })
  new PerformanceObserver((list) => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.__seen.shift += entry.value })
    .observe({ type: 'layout-shift', buffered: true })
  const draw = () => {
    if (document.body) {
      const color = getComputedStyle(document.body).backgroundColor
      if (!window.__seen.backgrounds.includes(color)) window.__seen.backgrounds.push(color)
    }
    if (window.__seen.stoodMs === 0 && document.querySelector('main h1') && !document.querySelector('main [aria-busy="true"]'))
      window.__seen.stoodMs = performance.now()
    requestAnimationFrame(draw)
  }
  requestAnimationFrame(draw)`

const Seen = z.object({
  lcpMs: z.number(),
  /** cumulative layout shift: shares of the window */
  shift: z.number(),
  stoodMs: z.number(),
  /** of the body, each once, as CSS says colours */
  backgrounds: z.array(z.string()),
  scripts: z.array(z.object({ name: z.string(), startTime: z.number() })),
})
export interface SeenPage extends z.infer<typeof Seen> {
  /** bytes of JavaScript, gzipped, that were asked for until the page stood */
  readonly loadBytes: number
}

export const watched = (context: BrowserContext): Promise<unknown> => context.addInitScript(WATCH)

/** @param page of a watched context, settled */
export async function seenOf(page: Page): Promise<SeenPage> {
  const scripts = `performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.js'))
    .map(({ name, startTime }) => ({ name: new URL(name).pathname.slice(1), startTime }))`
  const seen = Seen.parse(await page.evaluate(`({ ...window.__seen, scripts: ${scripts} })`))
  const before = seen.scripts.filter(({ startTime }) => startTime < seen.stoodMs)
  return { ...seen, loadBytes: before.reduce((sum, { name }) => sum + gzippedBytes(name), 0) }
}

/** Its heading stands, nothing is being fetched, and what comes later has come. */
export async function settled(page: Page): Promise<void> {
  await page.locator('main h1').first().waitFor()
  const busy = `document.querySelector('[aria-busy="true"], [data-later]') === null`
  await expect.poll(() => page.evaluate(busy), WAIT).toBe(true)
}

/** Nothing is on its way to where or how it will be. */
export async function still(page: Page): Promise<void> {
  // What was changed begins to move with the frame after.
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))')
  const moving = `document.getAnimations().filter((each) => each instanceof CSSTransition).length`
  await expect.poll(() => page.evaluate(moving), WAIT).toBe(0)
}

/** What has the keyboard: its text or name, and whether it can be seen that it has it. */
export async function focused(page: Page): Promise<{ tag: string; text: string; hasRing: boolean }> {
  return z.object({ tag: z.string(), text: z.string(), hasRing: z.boolean() }).parse(
    await page.evaluate(`(() => {
      const { activeElement: at } = document
      const { outlineStyle, outlineWidth } = getComputedStyle(at)
      return {
        tag: at.tagName,
        text: (at.getAttribute('aria-label') ?? at.textContent ?? '').trim().slice(0, 100),
        hasRing: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1,
      }
    })()`),
  )
}
