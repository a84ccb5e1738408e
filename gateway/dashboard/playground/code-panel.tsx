// The request as code, for each client: exactly what is sent, with the key left to the environment.
import { Button, Card, Code, CopyButton, Group, Stack, Tabs, Text, Title } from '@mantine/core'
import type { Asked } from './asked.ts'
import { CLIENT_NAMES, CLIENTS, codeFor, KEY_VARIABLE } from './code.ts'

export function CodePanel({ asked }: { asked: Asked | null }) {
  return (
    <Card withBorder component="section" aria-label="As code">
      <Stack gap="sm">
        <Title order={2} size="h4">
          As code
        </Title>
        {asked === null ? (
          <Text c="dimmed">Once there is a request, this is how a program sends it.</Text>
        ) : (
          <Tabs defaultValue="curl" keepMounted={false}>
            <Tabs.List>
              {CLIENTS.map((client) => (
                <Tabs.Tab key={client} value={client}>
                  {CLIENT_NAMES[client]}
                </Tabs.Tab>
              ))}
            </Tabs.List>
            {CLIENTS.map((client) => (
              <Tabs.Panel key={client} value={client} pt="sm">
                <Snippet code={codeFor(client, asked, window.location.origin)} name={CLIENT_NAMES[client]} />
              </Tabs.Panel>
            ))}
          </Tabs>
        )}
      </Stack>
    </Card>
  )
}

function Snippet({ code, name }: { code: string; name: string }) {
  return (
    <Stack gap="xs">
      <Code block tabIndex={0} aria-label={`The request in ${name}`} style={{ maxHeight: 360 }}>
        {code}
      </Code>
      <Group justify="space-between">
        <Text size="sm" c="dimmed">
          It reads the key from {KEY_VARIABLE}.
        </Text>
        <CopyButton value={code}>
          {({ copied, copy }) => (
            <Button size="xs" variant="default" onClick={copy}>
              {copied ? 'Copied' : 'Copy'}
            </Button>
          )}
        </CopyButton>
      </Group>
    </Stack>
  )
}
