// The one screen that a started market shows. The `curl` line is complete: it can be copied as it stands.

interface Market {
  readonly gatewayUrl: string
  readonly directUrl: string
  readonly apiKey: string
  readonly wallets: { readonly consumer: { readonly address: string } }
  readonly nodes: readonly { readonly id: string; readonly endpoint: string }[]
  readonly models: readonly string[]
  /** decimal dollars */
  readonly balance: string
  readonly stateDir: string
}

const QUESTION = 'What is the capital of France?'

export function welcome(market: Market): string {
  const { gatewayUrl, directUrl, apiKey, wallets, nodes, models, balance, stateDir } = market
  return `
Souk is ready.

  gateway    ${gatewayUrl}    (direct: ${directUrl})
  dashboard  ${gatewayUrl}/    (sign in as admin, operator or consumer: dev.json has their wallets, to import into yours)
  node       ${nodes.map(({ id, endpoint }) => `${id} at ${endpoint}`).join('\n             ')}
  models     ${models.join(', ')}
  wallet     ${wallets.consumer.address}, balance $${balance}
  key        ${apiKey}
  state      ${stateDir}    (dev.json: all of this for programs; *.log)

Ask it:

  ${curl(gatewayUrl, apiKey)}

Or with the openai package:

  const client = new OpenAI({ baseURL: '${gatewayUrl}/v1', apiKey: '${apiKey}' })
  const messages = [{ role: 'user', content: '${QUESTION}' }]
  console.log((await client.chat.completions.create({ model: 'souk/tiny-chat', messages })).choices[0].message.content)

Ctrl-C stops everything; the next start goes on from here.
`
}

function curl(gatewayUrl: string, apiKey: string): string {
  const body = { model: 'souk/tiny-chat', stream: true, messages: [{ role: 'user', content: QUESTION }] }
  return `curl -N ${gatewayUrl}/v1/chat/completions -H 'authorization: Bearer ${apiKey}' -H 'content-type: application/json' -d '${JSON.stringify(body)}'`
}
