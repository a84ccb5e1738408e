// The page for browser wallets as the gateway serves it: what may run on it is exactly what is on it.
import { createExecutionContext, env } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { createApp } from '../../../../gateway/app.ts'
import { createServices } from '../../../../gateway/services.ts'

async function aPage(path = '/register') {
  const response = await createApp(await createServices(env)).request(
    `https://souk.example${path}`,
    {},
    env,
    createExecutionContext(),
  )
  return { response, html: await response.text(), policy: response.headers.get('content-security-policy') ?? '' }
}

const between = (html: string, tag: string) => [...html.matchAll(new RegExp(`<${tag}>([\\s\\S]*?)</${tag}>`, 'g'))]

async function hashOf(text: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))
  return `'sha256-${btoa(String.fromCharCode(...new Uint8Array(digest)))}'`
}

it('runs its one script and its one style, named by their hashes, and loads, frames and sends nothing else', async () => {
  const { response, html, policy } = await aPage()
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=UTF-8'])
  const [[, script = ''] = [], ...moreScripts] = between(html, 'script')
  const [[, style = ''] = [], ...moreStyles] = between(html, 'style')
  expect([moreScripts.length, moreStyles.length, script.length > 1_000]).toEqual([0, 0, true])
  expect(policy.split('; ')).toEqual([
    "default-src 'none'",
    `script-src ${await hashOf(script)}`,
    `style-src ${await hashOf(style)}`,
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ])
  // An attribute that runs or styles would be blocked by the policy: there is none, and no address of anybody.
  expect(html).not.toMatch(/ on[a-z]+="| style="|<link|<img|<iframe|https?:/)
  expect(response.headers.get('referrer-policy')).toBe('no-referrer')
  expect(response.headers.get('x-content-type-options')).toBe('nosniff')
})

it('is the same for everybody: nothing of the request comes back', async () => {
  const { html } = await aPage('/register?name=%3Cscript%3Ealert(1)%3C/script%3E')
  expect(html).toBe((await aPage()).html)
})
