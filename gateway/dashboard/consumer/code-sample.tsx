// A first call in three languages, with the real address of this gateway, a model that is served, and the key where there is one to show.
import { Code, CopyButton, Button, Group, Stack, Tabs } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { modelsQuery } from './call-queries.ts'

/** @param apiKey the whole key, while it is shown; absent: a word in its place */
export function CodeSample({ apiKey = 'YOUR_API_KEY' }: { apiKey?: string }) {
  const models = useQuery(modelsQuery).data ?? []
  const model = models.find(({ task }) => task === 'chat')?.id ?? 'author/model'
  const samples = samplesOf(`${window.location.origin}/v1`, apiKey, model)
  return (
    <Tabs defaultValue="curl">
      <Tabs.List>
        {samples.map(({ name }) => (
          <Tabs.Tab key={name} value={name}>
            {name}
          </Tabs.Tab>
        ))}
      </Tabs.List>
      {samples.map(({ name, code }) => (
        <Tabs.Panel key={name} value={name} pt="xs">
          <Stack gap="xs">
            <Code block tabIndex={0} style={{ overflowX: 'auto' }}>
              {code}
            </Code>
            <Group>
              <CopyButton value={code}>
                {({ copied, copy }) => (
                  <Button variant="default" size="xs" onClick={copy}>
                    {copied ? 'Copied' : `Copy the ${name} code`}
                  </Button>
                )}
              </CopyButton>
            </Group>
          </Stack>
        </Tabs.Panel>
      ))}
    </Tabs>
  )
}

const samplesOf = (baseUrl: string, apiKey: string, model: string) => [
  {
    name: 'curl',
    code: `curl ${baseUrl}/chat/completions \\
  -H "Authorization: Bearer ${apiKey}" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "${model}", "messages": [{"role": "user", "content": "Hello"}]}'`,
  },
  {
    name: 'Python',
    code: `from openai import OpenAI

client = OpenAI(base_url="${baseUrl}", api_key="${apiKey}")
answer = client.chat.completions.create(
    model="${model}",
    messages=[{"role": "user", "content": "Hello"}],
)
print(answer.choices[0].message.content)`,
  },
  {
    name: 'JavaScript',
    code: `import OpenAI from 'openai'

const client = new OpenAI({ baseURL: '${baseUrl}', apiKey: '${apiKey}' })
const answer = await client.chat.completions.create({
  model: '${model}',
  messages: [{ role: 'user', content: 'Hello' }],
})
console.log(answer.choices[0].message.content)`,
  },
]
