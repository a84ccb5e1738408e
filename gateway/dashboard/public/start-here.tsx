// How to begin, in three lines of a language: the gateway's own address in them, and where the key comes from.
import { Anchor, Button, Code, CopyButton, Group, SegmentedControl, Stack, Text } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { firstCall } from './first-call.ts'

interface Shown {
  readonly model: string | null
  readonly task: string
  /** of Snippet; the first when there is no such */
  readonly language: string | undefined
  readonly onLanguage: (language: string) => void
}

export function StartHere({ model, task, language, onLanguage }: Shown) {
  const snippets = firstCall(window.location.origin, model, task)
  const shown = snippets.find((snippet) => snippet.language === language) ?? snippets[0]
  if (shown === undefined) return null
  return (
    <Stack gap="xs">
      <Text size="sm">
        Sign in, make a key under{' '}
        <Anchor component={Link} to="/keys">
          API keys
        </Anchor>
        , and put it in the place of sk-souk-…. Programs written for OpenAI work when their address and key are changed.
      </Text>
      <Group justify="space-between" gap="xs">
        <SegmentedControl
          size="xs"
          aria-label="Language"
          data={snippets.map((snippet) => ({ value: snippet.language, label: snippet.label }))}
          value={shown.language}
          onChange={onLanguage}
        />
        <CopyButton value={shown.code}>
          {({ copied, copy }) => (
            <Button size="xs" variant="default" onClick={copy}>
              {copied ? 'Copied' : 'Copy'}
            </Button>
          )}
        </CopyButton>
      </Group>
      <Code block tabIndex={0} role="region" aria-label={`First call in ${shown.label}`} style={{ overflowX: 'auto' }}>
        {shown.code}
      </Code>
    </Stack>
  )
}
