import { describe, expect, it } from 'vitest'
import { checkEndpoint, checkResolved } from '../../../gateway/link/endpoint-guard.ts'

const PUBLIC = { allowLocal: false }
const LOCAL = { allowLocal: true }

describe('checkEndpoint', () => {
  it.each([
    'https://node.example.com',
    'https://node.example.com:443',
    'https://node.example.com:8443/souk/v1',
    'https://node.example.com:1024',
    'https://8.8.8.8:65535',
    'https://[2606:4700::1111]',
  ])('accepts %s', (url) => expect(checkEndpoint(url, PUBLIC).ok).toBe(true))

  it.each([
    ['http://node.example.com', 'plain http'],
    ['https://node.example.com:1023', 'a system port'],
    ['https://node.example.com:80', 'a system port'],
    ['https://user@node.example.com', 'a user name'],
    ['https://@node.example.com', 'an empty user name'],
    ['https://node.example.com/?a=1', 'a query'],
    ['https://node.example.com/?', 'an empty query'],
    ['https://node.example.com/#a', 'a fragment'],
    ['https://node.example.com/%2e', 'an escaped path'],
    ['https:node.example.com', 'no slashes'],
    ['https:///node.example.com', 'three slashes'],
    [' https://node.example.com', 'a blank'],
    ['https://node.example.com\n', 'a line end'],
    ['https://node.example.com\\@10.0.0.1', 'a backslash'],
    ['https://ⓝode.example.com', 'a look-alike letter'],
    ['https://node', 'a single label'],
    ['https://node.example.com.', 'a trailing dot'],
    ['https://localhost', 'localhost'],
    ['https://localhost.', 'localhost with a dot'],
    ['https://a.localhost', 'below localhost'],
    ['https://printer.local', 'multicast DNS'],
    ['https://db.internal', 'an inner zone'],
    ['https://metadata.google.internal', 'a cloud metadata name'],
    ['https://1.1.168.192.in-addr.arpa', 'the reverse zone'],
    ['https://10.1.2.3', 'a private address'],
    ['https://[::1]', 'loopback'],
    ['https://[fd00::1]', 'a unique local address'],
    ['https://[4000::1]', 'space that nobody was given'],
    [`https://node.example.com/${'a'.repeat(2_048)}`, 'too many characters'],
  ])('refuses %j: %s', (url) =>
    expect(checkEndpoint(url, PUBLIC)).toMatchObject({ ok: false, code: 'endpoint_refused' }),
  )

  it.each(['http://127.0.0.1:8787', 'http://localhost:3000', 'https://[::1]:3000', 'http://127.255.0.1:1024'])(
    'accepts %s under the local switch only',
    (url) => {
      expect(checkEndpoint(url, LOCAL).ok).toBe(true)
      expect(checkEndpoint(url, PUBLIC).ok).toBe(false)
    },
  )

  it.each([
    'http://user@127.0.0.1:3000',
    'http://10.0.0.1:3000',
    'http://169.254.169.254',
    'ftp://127.0.0.1',
    'http://a.localhost:3000',
  ])('refuses %s even under the local switch', (url) => expect(checkEndpoint(url, LOCAL).ok).toBe(false))
})

describe('checkEndpoint for a webhook', () => {
  const WEBHOOK = { allowLocal: false, allowQuery: true }

  it.each([
    'https://hooks.example.com/services/T0/B0/x?token=a%20b&n=1',
    'https://hooks.example.com?token=1',
    "https://hooks.example.com/a:b@c/(d)!$&'*+,;=e/%C3%BC?q=http://x/?y",
  ])('accepts %s, which is no endpoint of a node', (url) => {
    expect(checkEndpoint(url, WEBHOOK).ok).toBe(true)
    expect(checkEndpoint(url, PUBLIC).ok).toBe(false)
  })

  it.each([
    ['https://hooks.example.com/#a', 'a fragment'],
    ['https://hooks%2eexample.com/', 'an escaped host'],
    ['https://127%2e0.0.1/', 'an escaped address'],
    ['https://hooks.example.com%2f@10.0.0.1/', 'an escaped slash before a user name'],
    ['https://hooks.example.com/%zz', 'half an escape'],
    ['https://hooks.example.com/{a}', 'a character that the parser would escape'],
    ['https://hooks.example.com/?a="b"', 'the same in a query'],
    ['https://user@hooks.example.com/?a=1', 'a user name'],
    ['https://10.0.0.1/?a=1', 'a private address'],
    ['https://localhost?x.example.com', 'an inner name before a query'],
    ['http://hooks.example.com/?a=1', 'plain http'],
    ['https://hooks.example.com:22/?a=1', 'a system port'],
  ])('refuses %j: %s', (url) => expect(checkEndpoint(url, WEBHOOK).ok).toBe(false))
})

describe('checkResolved', () => {
  const endpoint = new URL('https://node.example.com')

  it.each([
    [['93.184.216.34', '2606:4700::1111'], true],
    [['93.184.216.34', '10.0.0.1'], false],
    [['::ffff:127.0.0.1'], false],
    [['127.0.0.1'], false],
    [['not an address'], false],
    [[], false],
  ])('judges the answers %j', async (answers, isFine) => {
    expect((await checkResolved(endpoint, PUBLIC, () => Promise.resolve(answers))).ok).toBe(isFine)
  })

  it('refuses a name that could not be looked up', async () => {
    expect((await checkResolved(endpoint, PUBLIC, () => Promise.reject(new Error('no resolver')))).ok).toBe(false)
  })

  it('does not look up an address', async () => {
    const never = () => Promise.reject(new Error('asked'))
    expect((await checkResolved(new URL('https://8.8.8.8'), PUBLIC, never)).ok).toBe(true)
  })
})
