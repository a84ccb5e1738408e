// Commands for a terminal, to be copied: what the node's program is asked on its own machine.
import { Button, Code, CopyButton, Group, Stack, Text } from '@mantine/core'

export interface Command {
  readonly line: string
  readonly why: string
}

export function Commands({ commands }: { commands: readonly Command[] }) {
  return (
    <Stack gap="sm" component="ol" p={0} m={0} style={{ listStyle: 'none' }} w="100%">
      {commands.map(({ line, why }) => (
        <Stack gap={4} key={line} component="li">
          <Text size="sm">{why}</Text>
          <Group gap="xs" align="flex-start" wrap="nowrap">
            <Code block style={{ flex: 1, whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }}>
              {line}
            </Code>
            <CopyButton value={line}>
              {({ copied, copy }) => (
                <Button variant="default" size="xs" onClick={copy} aria-label={`Copy: ${line}`}>
                  {copied ? 'Copied' : 'Copy'}
                </Button>
              )}
            </CopyButton>
          </Group>
        </Stack>
      ))}
    </Stack>
  )
}
