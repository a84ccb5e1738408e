// The script of the page on which a browser wallet signs a registration: read the link, show it, sign in, sign the authorisation, register. It runs in
// the browser as it stands here, by itself: no library, no build. What it shows is set as text, never as markup, and every end is told in words.
import { nodeAuthorizationTypes } from '../../../protocol/node.ts'

const TYPES = JSON.stringify({
  EIP712Domain: [
    { name: 'name', type: 'string' },
    { name: 'version', type: 'string' },
    { name: 'chainId', type: 'uint256' },
  ],
  ...nodeAuthorizationTypes,
})

export const REGISTER_SCRIPT = `'use strict'
;(() => {
  const TYPES = ${TYPES}
  const element = (id) => document.getElementById(id)
  const say = (text, kind) => {
    element('status').textContent = text
    element('status').setAttribute('data-kind', kind || '')
  }
  /** A refusal in words for whoever reads this page. */
  const wrong = (text) => Object.assign(new Error(text), { isWords: true })

  function readLink() {
    const text = location.hash.slice(1)
    if (text === '') throw wrong('This page is opened by a link that souk-node register --browser prints. Copy the whole of it, with the part behind the #.')
    let request
    try {
      const bytes = Uint8Array.from(atob(text.replace(/-/g, '+').replace(/_/g, '/')), (character) => character.charCodeAt(0))
      request = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    } catch {
      throw wrong('This link is damaged. Copy the whole of it from your terminal again.')
    }
    const isAddress = (value) => /^0x[0-9a-fA-F]{40}$/.test(value)
    const isWhole =
      request !== null && typeof request === 'object' && typeof request.name === 'string' && typeof request.endpoint === 'string' &&
      /^[A-Za-z0-9_-]{43}$/.test(request.nodeKey) && isAddress(request.operator) && isAddress(request.settlementKey) &&
      Number.isSafeInteger(request.deadline) && typeof request.nodeProof === 'string' &&
      Array.isArray(request.offers) && request.offers.every((offer) => offer && typeof offer.model === 'string' && offer.prices)
    if (!isWhole) throw wrong('This link is not complete. Copy the whole of it from your terminal again.')
    return request
  }

  function pair(list, name, value, isKey) {
    const term = document.createElement('dt')
    const detail = document.createElement('dd')
    term.textContent = name
    detail.textContent = value
    if (isKey) detail.className = 'key'
    list.append(term, detail)
  }

  const priceOf = (usd) => (usd === undefined ? '–' : '$' + usd)

  function show(request) {
    const signed = element('signed')
    pair(signed, 'Your wallet', request.operator, true)
    pair(signed, 'Node key', request.nodeKey, true)
    pair(signed, 'Settlement key', request.settlementKey, true)
    pair(signed, 'Good until', new Date(request.deadline * 1000).toLocaleString())
    const sent = element('sent')
    pair(sent, 'Node name', request.name)
    pair(sent, 'Reached', request.endpoint === 'link' ? 'by its own link' : 'at ' + request.endpoint)
    pair(sent, 'Gateway', location.origin)
    for (const { model, prices } of request.offers) {
      const row = document.createElement('tr')
      const cached = prices.cachedInputPerMillion === undefined ? prices.inputPerMillion : prices.cachedInputPerMillion
      for (const text of [model, priceOf(prices.inputPerMillion), priceOf(cached), priceOf(prices.outputPerMillion), priceOf(prices.bytesPerMillion), priceOf(prices.perCall)]) {
        const cell = document.createElement('td')
        cell.textContent = text
        row.append(cell)
      }
      element('offers').append(row)
    }
    element('request').hidden = false
  }

  const requireTime = (request) => {
    if (request.deadline * 1000 <= Date.now()) throw wrong('This link has expired. Run souk-node register --browser again. (If it was made just now, a clock is wrong: this computer\\'s or the node\\'s.)')
  }

  /** One of our own routes; a refusal is the gateway's own sentence. */
  async function ask(path, body, token) {
    const headers = { 'content-type': 'application/json', accept: 'application/json' }
    if (token) headers.authorization = 'Bearer ' + token
    let response
    try {
      // No cookie is left: the session is this page's alone, and ended when it is done.
      response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body), credentials: 'omit', signal: AbortSignal.timeout(30000) })
    } catch {
      throw wrong('The gateway does not answer. Nothing is lost: try again.')
    }
    const reply = await response.json().catch(() => null)
    if (response.ok) return reply
    throw wrong('The gateway refused: ' + (reply && reply.error && reply.error.message ? reply.error.message : 'status ' + response.status + '.'))
  }

  /** What a wallet answered instead of a result (EIP-1193, EIP-1474). */
  function walletWords(error, what) {
    if (error && error.isWords) return error
    const code = error && error.code
    if (code === 4001 || code === 'ACTION_REJECTED') return wrong('You declined ' + what + ' in the wallet. Nothing was registered; you can try again.')
    if (code === -32002) return wrong('The wallet has an open request already. Open the wallet, answer it, and try again.')
    if (code === 4100) return wrong('The wallet does not allow this page to use that account. Connect it in the wallet, and try again.')
    if (code === 4900 || code === 4901) return wrong('The wallet is not connected to its network. Check it in the wallet, and try again.')
    const said = error && typeof error.message === 'string' ? error.message.slice(0, 300) : 'an error without words'
    return wrong('The wallet could not do ' + what + ': ' + said)
  }

  const call = (provider, method, params, what) =>
    provider.request({ method, params }).catch((error) => { throw walletWords(error, what) })

  async function requireAccount(provider, operator) {
    const accounts = await call(provider, 'eth_requestAccounts', [], 'the connection')
    const listed = Array.isArray(accounts) ? accounts : []
    if (listed.some((account) => String(account).toLowerCase() === operator.toLowerCase())) return
    throw wrong(listed.length === 0
      ? 'The wallet gave this page no account. Unlock it, and try again.'
      : 'The wallet is on the account ' + listed[0] + ', and this link is for ' + operator + '. Change the account in the wallet, and try again.')
  }

  async function requireChain(provider, chainId) {
    const wanted = '0x' + chainId.toString(16)
    const current = async () => Number(await call(provider, 'eth_chainId', [], 'the question for its network'))
    if ((await current()) === chainId) return
    await provider.request({ method: 'wallet_switchEthereumChain', params: [{ chainId: wanted }] }).catch((error) => {
      const code = error && (error.code || (error.data && error.data.originalError && error.data.originalError.code))
      if (code === 4001) throw walletWords(error, 'the change of network')
      throw wrong('The wallet is on another network, and this gateway needs chain ' + chainId + '. Add or choose it in the wallet, and try again.')
    })
    if ((await current()) !== chainId) throw wrong('The wallet is still on another network, and this gateway needs chain ' + chainId + '. Choose it in the wallet, and try again.')
  }

  const hexOf = (bytes) => '0x' + Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')

  const signInText = (address, nonce) => [
    nonce.domain + ' wants you to sign in with your Ethereum account:', address, '', nonce.statement, '',
    'URI: ' + nonce.uri, 'Version: 1', 'Chain ID: ' + nonce.chainId, 'Nonce: ' + nonce.nonce,
    'Issued At: ' + nonce.issuedAt, 'Expiration Time: ' + nonce.expirationTime,
  ].join('\\n')

  function typedData(request, chainId) {
    const key = atob((request.nodeKey + '=').replace(/-/g, '+').replace(/_/g, '/'))
    return JSON.stringify({
      types: TYPES,
      primaryType: 'NodeAuthorization',
      domain: { name: 'Souk', version: '1', chainId },
      message: {
        operator: request.operator,
        nodeKey: hexOf(Uint8Array.from(key, (character) => character.charCodeAt(0))),
        settlementKey: request.settlementKey,
        deadline: String(request.deadline),
      },
    })
  }

  async function register(provider, request) {
    requireTime(request)
    say('Open your wallet and connect the account ' + request.operator + '.')
    await requireAccount(provider, request.operator)
    const nonce = await ask('/auth/nonce', {})
    if (nonce.domain !== location.host) throw wrong('This gateway signs in at ' + nonce.domain + ', and this page is at ' + location.host + '. Give the node that address as its gateway.')
    await requireChain(provider, nonce.chainId)
    say('1 of 2: sign in, in your wallet.')
    const text = signInText(request.operator, nonce)
    const signIn = await call(provider, 'personal_sign', [hexOf(new TextEncoder().encode(text)), request.operator], 'the sign-in')
    const { token } = await ask('/auth/verify', { message: text, signature: signIn })
    try {
      say('2 of 2: authorise the two keys of the node, in your wallet.')
      const signature = await call(provider, 'eth_signTypedData_v4', [request.operator, typedData(request, nonce.chainId)], 'the authorisation')
      requireTime(request)
      say('Registering…')
      return await ask('/api/nodes', { ...request, signature }, token)
    } finally {
      await ask('/auth/sign-out', {}, token).catch(() => undefined)
    }
  }

  const outcome = (node) => 'Registered: ' + node.name + ' is ' + node.id + ', ' + node.state + (node.reason ? ' (' + node.reason + ')' : '') +
    '. Your terminal goes on by itself; you can close this page.'

  /** One button per wallet (EIP-6963), or one for the only one there is. */
  function offerWallets(request) {
    const buttons = []
    const known = new Set()
    const add = (name, provider) => {
      if (known.has(provider)) return
      known.add(provider)
      const button = document.createElement('button')
      button.type = 'button'
      button.textContent = 'Sign with ' + name
      button.addEventListener('click', async () => {
        for (const other of buttons) other.disabled = true
        try {
          say(outcome(await register(provider, request)), 'done')
        } catch (error) {
          say(walletWords(error, 'this').message, 'wrong')
          for (const other of buttons) other.disabled = false
        }
      })
      buttons.push(button)
      element('wallets').append(button)
      say('Read below what is signed, then choose your wallet.')
    }
    window.addEventListener('eip6963:announceProvider', ({ detail }) => {
      if (detail && detail.provider && detail.info) add(String(detail.info.name).slice(0, 40), detail.provider)
    })
    window.dispatchEvent(new Event('eip6963:requestProvider'))
    // A wallet from before EIP-6963 does not announce itself; one that does has, by now.
    setTimeout(() => {
      if (buttons.length === 0 && window.ethereum) add('the wallet of this browser', window.ethereum)
      if (buttons.length === 0) say('No wallet was found in this browser. Open this link in the browser that has your wallet, or in your wallet\\'s own browser.', 'wrong')
    }, 500)
  }

  try {
    const request = readLink()
    show(request)
    requireTime(request)
    offerWallets(request)
  } catch (error) {
    say(error && error.isWords ? error.message : 'This page failed: ' + error, 'wrong')
  }
})()
`
