// The dialogue in which a member gets another role (members.tsx). What makes or unmakes an owner waits, and says so before it is asked.
import { Button, Group, Modal, Select, Stack, Text } from '@mantine/core'
import { useState } from 'react'
import type { MemberRole } from '../../../../protocol/auth.ts'
import type { MemberView } from '../../../../protocol/members.ts'
import { shortAddress } from '../../ui/short.ts'
import { roleChoices } from './roles.ts'

export interface ChangeRoleProps {
  readonly isOpen: boolean
  /** null: none was chosen yet */
  readonly member: MemberView | null
  /** whoever asks for it */
  readonly isOwner: boolean
  readonly isBusy: boolean
  readonly onClose: () => void
  readonly onChange: (role: MemberRole) => void
}

export function ChangeRole({ isOpen, member, ...props }: ChangeRoleProps) {
  return (
    <Modal
      opened={isOpen}
      onClose={props.onClose}
      title={`The role of ${shortAddress(member?.address ?? '')}`}
      centered
    >
      {member !== null && <Form key={member.address} member={member} {...props} />}
    </Modal>
  )
}

/** Its own component, so that each opening begins with the role of then. */
function Form({
  member,
  isOwner,
  isBusy,
  onClose,
  onChange,
}: Omit<ChangeRoleProps, 'isOpen'> & { member: MemberView }) {
  const [role, setRole] = useState<MemberRole>(member.role)
  const isOfOwner = member.role !== role && (member.role === 'owner' || role === 'owner')
  return (
    <Stack>
      <Select
        label="Role"
        data={roleChoices(isOwner)}
        value={role}
        allowDeselect={false}
        onChange={(value) => value !== null && setRole(value)}
      />
      {isOfOwner && (
        <Text size="sm">
          This {role === 'owner' ? 'makes' : 'unmakes'} an owner: it takes effect in two days, everybody with a webhook
          is told, and any owner may take it back until then.
        </Text>
      )}
      <Group justify="flex-end">
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button loading={isBusy} disabled={role === member.role} onClick={() => onChange(role)}>
          Change the role
        </Button>
      </Group>
    </Stack>
  )
}
