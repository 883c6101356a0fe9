"""What reinforcement learning tried, as programs read it."""

from rest_framework import serializers


class CountsSerializer(serializers.Serializer[object]):
    """Groups of `answers` answers to one prompt, over all steps."""

    asked = serializers.IntegerField()
    learned = serializers.IntegerField()
    dropped = serializers.DictField(
        child=serializers.IntegerField(),
        help_text="Groups by reason: no_signal, stale, unverified, lost, unused.",
    )
    answers = serializers.IntegerField()


class AnswerSerializer(serializers.Serializer[object]):
    """One answer. The versions are the steps that the weights had seen."""

    text = serializers.CharField()
    tokens = serializers.IntegerField()
    reward = serializers.FloatField(allow_null=True)
    first_version = serializers.IntegerField()
    last_version = serializers.IntegerField()


class GroupSerializer(serializers.Serializer[object]):
    """The answers to one prompt."""

    prompt = serializers.CharField()
    dropped = serializers.CharField(help_text="Why no step learned from it; empty where one did.")
    reward = serializers.FloatField(allow_null=True, help_text="The mean.")
    answers = AnswerSerializer(many=True)


class RolloutsSerializer(serializers.Serializer[object]):
    """All steps counted, and one step's groups."""

    counts = CountsSerializer(allow_null=True)
    step = serializers.IntegerField()
    last = serializers.IntegerField(help_text="The last step on record.")
    groups = GroupSerializer(many=True)
    more = serializers.IntegerField(help_text="Groups that are in the job's own file alone.")
    lost = serializers.IntegerField(help_text="Prompts that went unanswered, because the engine died.")
