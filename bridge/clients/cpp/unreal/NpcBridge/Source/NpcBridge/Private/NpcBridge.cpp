// Not compiled: written from the engine's public documentation. See unreal/README.md.
#include "NpcBridge.h"

#include "Engine/World.h"
#include "GameFramework/Pawn.h"
#include "Kismet/GameplayStatics.h"
#include "Modules/ModuleManager.h"
THIRD_PARTY_INCLUDES_START
#include "npcw/coordinates.hpp"
#include "npcw/zeromq.hpp"
THIRD_PARTY_INCLUDES_END
IMPLEMENT_MODULE(FDefaultModuleImpl, NpcBridge)

namespace
{
constexpr double Hz = 30;

/** Adapt this to your level: bounds and walls in metres on the wire's axes, and how your bodies move. */
npcw::Schema Declared()
{
    const std::vector<npcw::Field> Pose = {
        {"x", "m", -100, 100, "x"}, {"y", "m", -100, 100, "y"}, {"vx", "m/s", -12, 12, "vx"}, {"vy", "m/s", -12, 12, "vy"}};
    npcw::Declaration D;
    D.game = "unreal";
    D.tick_hz = Hz;
    D.coordinates = "unreal";
    D.bounds = {-100, -100, 100, 100};
    D.entities = {{"player", "player", 1, Pose}, {"npc", "npc", 64, Pose}};
    D.channels = {{"move_x", "m/s", -6, 6}, {"move_y", "m/s", -6, 6}};
    D.kinematics = {4, 16, 16, 0.35, 6.28};
    return npcw::Schema(D);
}

npcw::Pose PoseOf(const AActor& Actor)
{
    const FVector A = Actor.GetActorLocation(), B = Actor.GetVelocity();
    const npcw::Ground P = npcw::UNREAL.to_wire({A.X, A.Y}), V = npcw::UNREAL.to_wire({B.X, B.Y});
    return {P.a, P.b, V.a, V.b};
}

void Row(std::vector<float>& Values, const npcw::Pose& P)
{
    Values.insert(Values.end(), {float(P.x), float(P.y), float(P.vx), float(P.vy)});
}
} // namespace

void UNpcBrainComponent::BeginPlay()
{
    Super::BeginPlay();
    GetWorld()->GetSubsystem<UNpcBridgeSubsystem>()->Add(this);
}

void UNpcBrainComponent::EndPlay(const EEndPlayReason::Type Reason)
{
    if (UNpcBridgeSubsystem* Bridge = GetWorld()->GetSubsystem<UNpcBridgeSubsystem>()) Bridge->Remove(this);
    Super::EndPlay(Reason);
}

void UNpcBridgeSubsystem::Add(UNpcBrainComponent* Npc) { Npc->Id = NextId++; Npcs.Add(Npc); }
void UNpcBridgeSubsystem::Remove(UNpcBrainComponent* Npc) { Npcs.Remove(Npc); }
TStatId UNpcBridgeSubsystem::GetStatId() const { RETURN_QUICK_DECLARE_CYCLE_STAT(UNpcBridgeSubsystem, STATGROUP_Tickables); }

void UNpcBridgeSubsystem::Connect(const FString& Endpoint)
{
    Client = MakeShared<npcw::Client>(std::make_unique<npcw::ZeroMq>(TCHAR_TO_UTF8(*Endpoint)), Declared());
}

FString UNpcBridgeSubsystem::Fault() const
{
    const bool bFine = !Client || !Client->fault();
    return bFine ? FString() : FString(UTF8_TO_TCHAR((Client->fault()->text + ": " + Client->fault()->remedy).c_str()));
}

void UNpcBridgeSubsystem::Tick(float Seconds)
{
    Super::Tick(Seconds);
    if (!Client) return;
    Owed = FMath::Min(Owed + Seconds, 4 / float(Hz)); // a longer hitch slows the clock of the ticks
    for (; Owed >= 1 / Hz; Owed -= 1 / Hz, ++NetTick)
    {
        Client->poll();
        Push();
        Step();
    }
}

void UNpcBridgeSubsystem::Step()
{
    std::vector<uint32_t> Ids;
    std::vector<npcw::Pose> Poses;
    for (const UNpcBrainComponent* Npc : Npcs) Ids.push_back(Npc->Id), Poses.push_back(PoseOf(*Npc->GetOwner()));
    Client->step(NetTick, Ids, Poses);
    for (int32 I = 0; I < Npcs.Num(); ++I)
    {
        const float* Command = Client->commands().data() + 2 * I;
        const npcw::Ground Move = npcw::UNREAL.from_wire({Command[0], Command[1]});
        Npcs[I]->OnMove.Broadcast(FVector(Move.a, Move.b, 0));
    }
}

void UNpcBridgeSubsystem::Push()
{
    const APawn* Player = UGameplayStatics::GetPlayerPawn(this, 0);
    if (!Player) return;
    std::vector<float> PlayerRow, NpcRows;
    std::vector<uint32_t> PlayerId = {1}, Ids;
    Row(PlayerRow, PoseOf(*Player));
    for (const UNpcBrainComponent* Npc : Npcs) Ids.push_back(Npc->Id), Row(NpcRows, PoseOf(*Npc->GetOwner()));
    Client->push(NetTick, {{"player", PlayerId, PlayerRow}, {"npc", Ids, NpcRows}});
}
