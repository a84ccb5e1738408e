// The page that `souk-node register --browser` opens: what the wallet is about to sign and what is sent with it, shown as text before anything is asked; then
// the wallet, and what came of it. The link's contents never leave the browser before the wallet has signed.
import { Alert, Button, Card, Code, Group, Stack, Text, Title } from '@mantine/core'
import { useLocation } from '@tanstack/react-router'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import type { NodeView } from '../../../protocol/node.ts'
import { messageOf } from '../data/message-of.ts'
import { useWallets, type BrowserWallet, type Provider } from '../session/browser-wallets.ts'
import { useAccount } from '../session/session.ts'
import { TextLink } from '../ui/links.tsx'
import { Empty, Page } from '../ui/state.tsx'
import { Commands } from './commands.tsx'
import { isOwnWallet, register } from './registration.ts'
import { readLink, RegistrationRefused, requireTime, type UnsignedRegistration } from './registration-link.ts'
import { RegistrationShown } from './registration-shown.tsx'

const INTRO =
  'Your wallet authorises the two keys of a node of yours. Signing costs nothing, moves no money and gives no permission over your tokens.'

export function RegisterPage() {
  const hash = useLocation({ select: ({ hash: text }) => text })
  return (
    <Page title="Register a node" intro={INTRO}>
      {hash === '' ? <NoLink /> : <Registration key={hash} hash={hash} />}
    </Page>
  )
}

function Registration({ hash }: { hash: string }) {
  const [read] = useState(() => readOrRefused(hash))
  if (read.request === null)
    return (
      <Alert color="red" role="alert" title="This link cannot be used">
        {read.refused}
      </Alert>
    )
  return (
    <>
      {read.refused === null ? (
        <Signing request={read.request} />
      ) : (
        <Alert color="red" role="alert" title="This link cannot be used">
          {read.refused}
        </Alert>
      )}
      <RegistrationShown request={read.request} />
    </>
  )
}

/** An expired request is still shown; what cannot be read is not. */
function readOrRefused(hash: string): { request: UnsignedRegistration | null; refused: string | null } {
  let request: UnsignedRegistration | null = null
  try {
    request = readLink(hash)
    requireTime(request)
    return { request, refused: null }
  } catch (error) {
    return { request, refused: wordsOf(error) }
  }
}

const wordsOf = (error: unknown): string => (error instanceof RegistrationRefused ? error.message : messageOf(error))

function Signing({ request }: { request: UnsignedRegistration }) {
  const account = useAccount()
  const wallets = useWalletsHere()
  const client = useQueryClient()
  const [step, setStep] = useState('')
  const signing = useMutation({
    mutationFn: ({ provider }: BrowserWallet) => register(provider, request, account, setStep),
    // Whoever registers is an operator from now on, and has one node more.
    onSuccess: () => client.invalidateQueries(),
  })
  const { data: node, error, isPending } = signing
  if (node) return <Registered node={node} />
  const isIn = isOwnWallet(account, request.operator)
  return (
    <Card withBorder>
      <Stack>
        <Text>
          {isIn
            ? 'Your wallet is asked once: to authorise the two keys below.'
            : 'Your wallet is asked twice: to sign in, and to authorise the two keys below.'}{' '}
          {account && !isIn && 'You are signed in with another account; signing in with this wallet changes that.'}
        </Text>
        {wallets === 'none' && (
          <Alert color="red" role="alert">
            No wallet was found in this browser. Open this link in the browser that has your wallet, or in your wallet’s
            own browser.
          </Alert>
        )}
        <Group>
          {wallets !== 'none' &&
            wallets.map((wallet) => (
              <Button
                key={wallet.info.uuid}
                loading={isPending && signing.variables.info.uuid === wallet.info.uuid}
                disabled={isPending || account === undefined}
                onClick={() => signing.mutate(wallet)}
              >
                Sign with {wallet.info.name.slice(0, 40)}
              </Button>
            ))}
        </Group>
        {isPending && (
          <Alert variant="default" role="status">
            {step}
          </Alert>
        )}
        {error && !isPending && (
          <Alert color="red" role="alert" title="Not registered">
            {wordsOf(error)}
          </Alert>
        )}
      </Stack>
    </Card>
  )
}

function Registered({ node }: { node: NodeView }) {
  return (
    <Alert color="teal" role="status" title={`Registered: ${node.name}`}>
      <Stack gap="xs" align="flex-start">
        <Text size="sm">
          It is <Code>{node.id}</Code>, {node.state}
          {node.reason === null ? '' : ` (${node.reason})`}. Your terminal goes on by itself.
        </Text>
        <TextLink to="/nodes/$nodeId" params={{ nodeId: node.id }}>
          See the node
        </TextLink>
      </Stack>
    </Alert>
  )
}

/** ms in which wallets that announce themselves have done so */
const ANNOUNCED_MS = 500

/** Those that announce themselves (EIP-6963); without any, the one of before that put itself into the page. */
function useWalletsHere(): readonly BrowserWallet[] | 'none' {
  const announced = useWallets()
  const [isOver, setOver] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setOver(true), ANNOUNCED_MS)
    return () => clearTimeout(timer)
  }, [])
  if (announced.length > 0 || !isOver) return announced
  const { ethereum } = window as { ethereum?: Provider } // EIP-1193 fixes the shape; a wallet that breaks it fails when it is asked
  return ethereum ? [{ info: INJECTED, provider: ethereum }] : 'none'
}

const INJECTED = { uuid: 'injected', name: 'the wallet of this browser', icon: '', rdns: '' } as const

function NoLink() {
  return (
    <Card withBorder>
      <Empty title="This page is opened by a link">
        <Text>
          The program on the machine of the node prints it. Copy the whole of it, with the part behind the #: the keys
          stand there, and this gateway does not see them before your wallet has signed.
        </Text>
        <Title order={2} size="h4">
          On that machine
        </Title>
        <Commands
          commands={[
            { line: `souk-node init --gateway ${window.location.origin}`, why: 'Once, to make the keys:' },
            { line: 'souk-node register --browser --operator 0xYOUR_WALLET', why: 'To get the link:' },
          ]}
        />
      </Empty>
    </Card>
  )
}
