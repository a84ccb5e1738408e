// Runs in a page before its own scripts: a wallet as EIP-1193 and EIP-6963 describe it, whose answers come from the test.
{
  const listeners = new Map()
  const provider = {
    async request({ method, params = [] }) {
      const { result, error } = await window.__walletRequest(method, params)
      if (error) throw Object.assign(new Error(error.message), { code: error.code })
      return result
    },
    on(event, listener) {
      listeners.set(event, [...(listeners.get(event) ?? []), listener])
    },
    removeListener(event, listener) {
      listeners.set(
        event,
        (listeners.get(event) ?? []).filter((other) => other !== listener),
      )
    },
  }
  const info = {
    uuid: '350670db-19fa-4704-a166-e52e178b59d2',
    name: '__NAME__',
    rdns: 'test.wallet',
    icon: 'data:image/svg+xml,<svg/>',
  }
  const announce = () =>
    window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: Object.freeze({ info, provider }) }))
  window.__walletTells = (event, value) => {
    for (const listener of listeners.get(event) ?? []) listener(value)
  }
  window.addEventListener('eip6963:requestProvider', announce)
  announce()
}
