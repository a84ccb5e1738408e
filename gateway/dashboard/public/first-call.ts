// The first call to a model, as a program writes it: with this very gateway's address.

export interface Snippet {
  readonly language: 'curl' | 'python' | 'javascript'
  readonly label: string
  readonly code: string
}

/** @param origin of the gateway, such as `https://souk.example`. @param model null: nobody publishes one yet, and a placeholder stands there */
export function firstCall(origin: string, model: string | null, task: string): readonly Snippet[] {
  const id = model ?? 'author/name'
  if (task === 'chat') return chat(origin, id)
  if (task === 'embeddings') return embeddings(origin, id)
  return tensors(origin, id)
}

const CLIENT = {
  python: (origin: string) => `from openai import OpenAI
souk = OpenAI(base_url="${origin}/v1", api_key="sk-souk-…")`,
  javascript: (origin: string) => `import OpenAI from 'openai'
const souk = new OpenAI({ baseURL: '${origin}/v1', apiKey: 'sk-souk-…' })`,
}

const chat = (origin: string, model: string): readonly Snippet[] => [
  curl(
    `${origin}/v1/chat/completions`,
    `{"model": "${model}", "messages": [{"role": "user", "content": "Say hello"}]}`,
  ),
  python(
    origin,
    `print(souk.chat.completions.create(model="${model}", messages=[{"role": "user", "content": "Say hello"}]).choices[0].message.content)`,
  ),
  javascript(
    origin,
    `console.log((await souk.chat.completions.create({ model: '${model}', messages: [{ role: 'user', content: 'Say hello' }] })).choices[0].message.content)`,
  ),
]

const embeddings = (origin: string, model: string): readonly Snippet[] => [
  curl(`${origin}/v1/embeddings`, `{"model": "${model}", "input": "Say hello"}`),
  python(origin, `print(souk.embeddings.create(model="${model}", input="Say hello").data[0].embedding)`),
  javascript(
    origin,
    `console.log((await souk.embeddings.create({ model: '${model}', input: 'Say hello' })).data[0].embedding)`,
  ),
]

/** Its inputs are the model's own: what they are called and what shape they have, the gateway says. */
const tensors = (origin: string, model: string): readonly Snippet[] => {
  const path = `${origin}/v2/models/${encodeURIComponent(model)}`
  return [
    {
      language: 'curl',
      label: 'curl',
      code: `curl ${path} -H "authorization: Bearer sk-souk-…"   # its inputs
curl ${path}/infer -H "authorization: Bearer sk-souk-…" \\
  -H "content-type: application/json" -d '{"inputs": [{"name": "…", "shape": [1], "datatype": "BYTES", "data": ["Say hello"]}]}'`,
    },
    {
      language: 'python',
      label: 'Python',
      code: `import requests
inputs = [{"name": "…", "shape": [1], "datatype": "BYTES", "data": ["Say hello"]}]
print(requests.post("${path}/infer", headers={"authorization": "Bearer sk-souk-…"}, json={"inputs": inputs}).json())`,
    },
    {
      language: 'javascript',
      label: 'JavaScript',
      code: `const inputs = [{ name: '…', shape: [1], datatype: 'BYTES', data: ['Say hello'] }]
const headers = { authorization: 'Bearer sk-souk-…', 'content-type': 'application/json' }
console.log(await (await fetch('${path}/infer', { method: 'POST', headers, body: JSON.stringify({ inputs }) })).json())`,
    },
  ]
}

const curl = (url: string, body: string): Snippet => ({
  language: 'curl',
  label: 'curl',
  code: `curl ${url} \\
  -H "authorization: Bearer sk-souk-…" -H "content-type: application/json" \\
  -d '${body}'`,
})
const python = (origin: string, line: string): Snippet => ({
  language: 'python',
  label: 'Python',
  code: `${CLIENT.python(origin)}\n${line}`,
})
const javascript = (origin: string, line: string): Snippet => ({
  language: 'javascript',
  label: 'JavaScript',
  code: `${CLIENT.javascript(origin)}\n${line}`,
})
