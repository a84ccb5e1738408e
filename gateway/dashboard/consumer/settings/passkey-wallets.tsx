// Wallets that were made in this browser: their keys can be taken out, after the passkey, hidden until asked for; and forgotten, when they are safe elsewhere.
import { Alert, Button, Code, CopyButton, Group, Modal, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import { messageOf } from '../../data/message-of.ts'
import { dropSealedKey, sealedKeys, type SealedKey } from '../../session/passkey-seal.ts'
import { Confirm } from '../../ui/confirm.tsx'
import { Records } from '../../ui/records.tsx'
import { shortAddress } from '../../ui/short.ts'

export function PasskeyWallets() {
  const [keys, setKeys] = useState(sealedKeys)
  const [exporting, setExporting] = useState<SealedKey | null>(null)
  const [dropping, setDropping] = useState<SealedKey | null>(null)
  if (keys.length === 0) return <Text size="sm">None. Who has no wallet makes one on the sign-in page.</Text>
  const columns = [
    {
      title: 'Wallet',
      cell: ({ address }: SealedKey) => (
        <Text size="sm" ff="monospace" title={address}>
          {shortAddress(address)}
        </Text>
      ),
    },
    {
      title: 'Change',
      cell: (key: SealedKey) => (
        <Group gap="xs">
          <Button size="compact-sm" variant="default" onClick={() => setExporting(key)}>
            Show the private key
          </Button>
          <Button size="compact-sm" variant="default" onClick={() => setDropping(key)}>
            Forget it here
          </Button>
        </Group>
      ),
    },
  ]
  return (
    <Stack gap="sm">
      <Text size="sm">
        The key is only in this browser, and only this passkey opens it. If you lose this device, clear the browser’s
        data or delete the passkey, the wallet is gone, and nobody can bring it back. Keep its key somewhere safe, or
        add a second wallet to this account above.
      </Text>
      <Records caption="Wallets in this browser" rows={keys} keyOf={({ address }) => address} columns={columns} />
      <Modal opened={exporting !== null} onClose={() => setExporting(null)} title="The private key" centered>
        {exporting !== null && <Export sealed={exporting} />}
      </Modal>
      <Confirm
        isOpen={dropping !== null}
        onClose={() => setDropping(null)}
        title="Forget this wallet?"
        action="Forget it for ever"
        onConfirm={() => {
          if (dropping !== null) dropSealedKey(dropping.address)
          setKeys(sealedKeys())
          setDropping(null)
        }}
      >
        The sealed key of <Code>{dropping?.address}</Code> is deleted from this browser. Without a copy, nobody can sign
        with this wallet ever again, and what it holds is lost.
      </Confirm>
    </Stack>
  )
}

function Export({ sealed }: { sealed: SealedKey }) {
  const [privateKey, setPrivateKey] = useState<string | null>(null)
  const [isShown, setIsShown] = useState(false)
  const [failed, setFailed] = useState<string | null>(null)
  const open = async () => {
    setFailed(null)
    try {
      const { exportPrivateKey } = await import('../../session/passkey-wallet.ts')
      setPrivateKey(await exportPrivateKey(sealed))
    } catch (error) {
      setFailed(messageOf(error))
    }
  }
  return (
    <Stack>
      <Alert color="red" variant="outline" title="Whoever sees this key has the wallet">
        <Text size="sm">
          Nobody of Souk will ever ask for it. Make sure that nobody looks at your screen, and keep it where you keep
          passwords. Another wallet can take it in, under “import a private key”.
        </Text>
      </Alert>
      {failed !== null && (
        <Alert color="red" role="alert">
          {failed}
        </Alert>
      )}
      {privateKey === null ? (
        <Button onClick={() => void open()}>Use the passkey</Button>
      ) : (
        <>
          <Code block style={{ whiteSpace: 'pre-wrap', overflowWrap: 'anywhere' }} aria-live="polite">
            {isShown ? privateKey : '•'.repeat(24)}
          </Code>
          <Group gap="xs">
            <Button variant="default" onClick={() => setIsShown(!isShown)}>
              {isShown ? 'Hide' : 'Show'}
            </Button>
            <CopyButton value={privateKey}>
              {({ copied, copy }) => (
                <Button variant="default" onClick={copy}>
                  {copied ? 'Copied' : 'Copy'}
                </Button>
              )}
            </CopyButton>
          </Group>
        </>
      )}
    </Stack>
  )
}
